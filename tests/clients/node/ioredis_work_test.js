// ioredis with its default options (RESP3) and with RESP2, at the same work direct and through
// weir.
'use strict';
const Redis = require('ioredis');
const { work } = require('./ioredis_work');
const { twice } = require('./twice');

class InResp2 extends Redis {
  constructor(options) {
    super(
      typeof options === 'object' ? { ...options, protocol: 2 } : { port: options, protocol: 2 }
    );
  }
}

twice('ioredis', async (port) => [await work(Redis, port), await work(InResp2, port)]);
