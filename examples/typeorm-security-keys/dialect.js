'use strict'

// The few words in which PostgreSQL differs from MySQL and MariaDB, for the bootstrap, the migrations and break.js.

const isPostgres = (queryRunner) => queryRunner.driver.options.type === 'postgres'

/** Returns the column types of the connected server. */
function types(queryRunner) {
  return isPostgres(queryRunner)
    ? { json: 'jsonb', time: 'timestamp', bool: 'boolean', no: 'false', id: 'SERIAL', blob: 'bytea' }
    : { json: 'json', time: 'datetime(6)', bool: 'tinyint', no: '0', id: 'int AUTO_INCREMENT', blob: 'blob' }
}

/** Quotes a name of our own, which never holds a quote. */
const quote = (queryRunner, name) => (isPostgres(queryRunner) ? `"${name}"` : `\`${name}\``)

/** Returns the placeholder of the n-th parameter, counted from 1. */
const parameter = (queryRunner, n) => (isPostgres(queryRunner) ? `$${n}` : '?')

module.exports = { isPostgres, types, quote, parameter }
