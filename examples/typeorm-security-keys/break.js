'use strict'
const { DataSource, MigrationExecutor } = require('typeorm')
const { options } = require('./data-source')
const { definitions, schemas } = require('./entities')
const { bootstrap } = require('./bootstrap')
const { fill } = require('./rows')
const { isPostgres, parameter } = require('./dialect')

const FIRST = 'templateDeleteCascade1673609465036'
const POSITION = 'lookupIndexes1692000000000'

/** Returns the entities of release 1.4, which the broken database was made by: the ones before channelPosition. */
function oldEntities(type) {
  const all = definitions(type)
  all.Guild.columns.channel_order = { ...all.Guild.columns.features }
  delete all.Channel.columns.position
  delete all.AuditLog
  return schemas(all)
}

/** Runs the migrations up to one of them, each with its own row in the ledger. */
async function migrate(dataSource, queryRunner, to) {
  const executor = new MigrationExecutor(dataSource, queryRunner)
  const all = (executor.getMigrations || executor.getAllMigrations).call(executor)
  for (const migration of await all) {
    await executor.executeMigration(migration)
    if (migration.name === to) return
  }
}

async function forget(queryRunner) {
  await queryRunner.query(`DELETE FROM migrations WHERE name <> ${parameter(queryRunner, 1)}`, [FIRST])
}

async function prepare(queryRunner) {
  if ((await queryRunner.hasTable('config')) || (await queryRunner.hasTable('migrations'))) throw new Error('the database is not empty: break.js wants a new one')
  if (isPostgres(queryRunner)) return
  const [row] = await queryRunner.query('SELECT @@collation_database AS collation')
  if (row.collation !== 'utf8mb4_unicode_ci') {
    throw new Error(`the database has the collation ${row.collation}: create it with CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
  }
}

async function main() {
  const synchronize = process.argv.includes('--synchronize')
  const dataSource = new DataSource(options(process.env.DATABASE_URL, oldEntities))
  await dataSource.initialize()
  const queryRunner = dataSource.createQueryRunner()
  await prepare(queryRunner)
  if (synchronize) {
    await dataSource.synchronize()
    await migrate(dataSource, queryRunner, FIRST)
  } else {
    await bootstrap(queryRunner)
    await migrate(dataSource, queryRunner, POSITION)
    await forget(queryRunner)
  }
  const rows = await fill(queryRunner)
  console.log(`broken: ${rows} rows, ledger says ${FIRST}, schema is at ${POSITION}`)
  await queryRunner.release()
  await dataSource.destroy()
}

main().catch((err) => {
  console.error(err.message)
  process.exit(1)
})
