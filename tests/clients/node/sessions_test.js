// Web sessions: express-session with connect-redis in two servers that share them, direct and
// through weir.
'use strict';
const { once } = require('node:events');
const express = require('express');
const session = require('express-session');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const { twice } = require('./twice');

// One of the web servers; resolves to how to reach and to end it.
async function serve(port) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', (error) => {
    throw error;
  });
  await client.connect();
  const store = new RedisStore({ client, prefix: 'web:', ttl: 600 });
  const app = express();
  app.use(session({ store, secret: 'of the test', resave: false, saveUninitialized: false }));
  app.get('/visit', (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.json({ visits: request.session.visits, user: request.session.user });
  });
  app.get('/login/:user', (request, response, next) => {
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.user = request.params.user;
      response.json({ user: request.session.user });
    });
  });
  app.get('/logout', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.json({})));
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await client.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, store, client, close };
}

// Somebody with a cookie jar of one cookie.
class Browser {
  async get(server, path) {
    const response = await fetch(server.url + path, {
      headers: this.cookie ? { cookie: this.cookie } : {},
    });
    const cookie = response.headers.get('set-cookie');
    if (cookie) this.cookie = cookie.split(';')[0];
    return [response.status, response.ok ? await response.json() : await response.text()];
  }
}

async function work(port) {
  const servers = [await serve(port), await serve(port)];
  const [one, two] = servers;
  const seen = {};
  const ann = new Browser();
  seen.visits = [];
  for (let i = 0; i < 20; i++) seen.visits.push(await ann.get(servers[i % 2], '/visit'));
  seen.login = [await ann.get(one, '/login/ann'), await ann.get(two, '/visit')];
  const crowd = Array.from({ length: 30 }, () => new Browser());
  seen.crowd = await Promise.all(
    crowd.map(async (each, i) => {
      await each.get(servers[i % 2], `/login/user${i}`);
      await each.get(servers[(i + 1) % 2], '/visit');
      return each.get(servers[i % 2], '/visit');
    })
  );
  const count = (server) => server.store.length();
  const users = async (server) => (await server.store.all()).map(({ user }) => user).sort();
  seen.stored = [await count(one), await users(two)];
  const [key] = await two.client.keys('web:*');
  seen.kept = await two.client.ttl(key).then((seconds) => seconds > 590 && seconds <= 600);
  seen.logout = [await ann.get(two, '/logout'), await ann.get(one, '/visit'), await count(one)];
  await new Promise((resolve, reject) => {
    one.store.clear((error) => (error ? reject(error) : resolve()));
  });
  seen.cleared = [await count(two), await crowd[0].get(two, '/visit')];
  for (const server of servers) await server.close();
  return seen;
}

twice('connect-redis', work);
