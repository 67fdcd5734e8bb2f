'use strict'
require('reflect-metadata')
const path = require('node:path')
const { DataSource } = require('typeorm')
const { entities } = require('./entities')

/** Returns the DataSource options for a database, with the entities of one release of the service. */
function options(databaseUrl, schemas) {
  const url = new URL(databaseUrl || 'mysql://localhost/app')
  const type = { 'postgres:': 'postgres', 'postgresql:': 'postgres', 'mariadb:': 'mariadb', 'mysql:': 'mysql' }[url.protocol]
  if (!type) throw new Error('DATABASE_URL must begin with mysql://, mariadb:// or postgres://')
  return {
    type,
    host: url.searchParams.get('host') || url.hostname,
    socketPath: type === 'postgres' ? undefined : url.searchParams.get('socketPath') || undefined,
    port: Number(url.port) || undefined,
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    entities: schemas(type),
    migrations: [path.join(__dirname, 'migrations', '*.js')],
    migrationsTransactionMode: 'each',
    synchronize: false,
    logging: ['error'],
  }
}

const dataSource = new DataSource(options(process.env.DATABASE_URL, entities))

// TypeORM's command line wants exactly one exported DataSource; options is for break.js.
module.exports = { dataSource, options }
