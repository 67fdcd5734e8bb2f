'use strict'
const url = new URL(process.env.DATABASE_URL)
const client = { 'postgres:': 'pg', 'mysql:': 'mysql2', 'mariadb:': 'mysql2' }[url.protocol]
const server = {
  host: url.hostname,
  port: url.port,
  user: decodeURIComponent(url.username),
  password: decodeURIComponent(url.password),
  database: decodeURIComponent(url.pathname.slice(1)),
}

module.exports = {
  client,
  connection: server,
  migrations: { directory: process.env.MIGRATIONS },
}
