// iovalkey with its default options, at the same work direct and through weir.
'use strict';
const { Redis } = require('iovalkey');
const { work } = require('./ioredis_work');
const { twice } = require('./twice');

twice('iovalkey', (port) => work(Redis, port));
