'use strict'
const { dataSource } = require('./data-source')
const { bootstrap } = require('./bootstrap')

let last = ''
const quiet = () => {}
const logger = {
  logQuery: quiet, logQueryError: quiet, logQuerySlow: quiet, logSchemaBuild: quiet, log: quiet,
  logMigration: (message) => { last = message },
}

/** Returns the line that the service stops with: TypeORM's own, with the driver's code before the reason. */
function reason(err) {
  const cause = err.driverError || err
  const name = /^Migration "([^"]+)" failed/.exec(last)
  if (!name) return err.message
  return `Migration "${name[1]}" failed, error: ${cause.code ? cause.code + ': ' : ''}${cause.message}`
}

async function count(table) {
  const [row] = await dataSource.query(`SELECT count(*) AS n FROM ${table}`)
  return row.n
}

async function main() {
  dataSource.setOptions({ logger })
  await dataSource.initialize()
  const queryRunner = dataSource.createQueryRunner()
  await bootstrap(queryRunner)
  await queryRunner.release()
  await dataSource.runMigrations({ transaction: 'each' })
  console.log(`ready: ${await count('users')} users, ${await count('messages')} messages`)
  await dataSource.destroy()
}

main().catch((err) => {
  console.error(reason(err))
  process.exit(1)
})
