'use strict'
const url = new URL(process.env.DATABASE_URL)
const dialect = { 'postgres:': 'postgres', 'mysql:': 'mysql', 'mariadb:': 'mariadb' }[url.protocol]

module.exports = {
  dialect,
  host: url.hostname,
  port: url.port,
  username: decodeURIComponent(url.username),
  password: decodeURIComponent(url.password),
  database: decodeURIComponent(url.pathname.slice(1)),
  logging: false,
}
