'use strict'
const { dataSource } = require('./data-source')
const { parameter } = require('./dialect')

/**
 * The first start as many TypeORM applications do it: make every table from the entity classes, then write down
 * all migrations as done. Both halves are separate steps, and a process that dies between them leaves the
 * database of this example. Set SYNC_DIES=1 to be that process.
 */
async function firstStart() {
  const queryRunner = dataSource.createQueryRunner()
  if (await queryRunner.hasTable('config')) return false
  await dataSource.synchronize()
  if (process.env.SYNC_DIES) process.exit(137)
  const now = Date.now()
  await dataSource.runMigrations({ fake: true, transaction: 'each' })
  // Every row carries the time of the first start, not the number of its migration: legal, since TypeORM goes by name.
  await queryRunner.query(`UPDATE migrations SET timestamp = ${parameter(queryRunner, 1)}`, [now])
  await queryRunner.release()
  return true
}

async function main() {
  await dataSource.initialize()
  console.log((await firstStart()) ? 'tables made, migrations recorded' : 'tables are there')
  await dataSource.destroy()
}

main().catch((err) => {
  console.error(err.message)
  process.exit(1)
})
