// Lists and runs the migrations of a TypeORM application with that application's own packages.
//
// Run it with `node` in the application's folder. The request is a JSON object in MULLIGAN_TYPEORM, so that no
// password is in the argument list:
//   verb        list | run | expects
//   dataSource  path of the compiled file that exports a DataSource
//   url         the database to work on (not needed by list); it replaces whatever the application configured
//   to          run: the last migration to apply, by name; only: an array of names to apply instead
//   require     modules to load before anything else
//   fd          file descriptor for the answers; without it they go to stdout behind "@mulligan "
// An answer is one JSON object on one line. Everything the application prints goes to stderr.
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')

const request = JSON.parse(process.env.MULLIGAN_TYPEORM || '{}')
delete process.env.MULLIGAN_TYPEORM
const stdoutFd = 1
process.stdout.write = process.stderr.write.bind(process.stderr)

const secrets = []
const scrub = (text) => secrets.reduce((t, s) => t.split(s).join('***'), String(text))

function say(answer) {
  const line = (request.fd ? '' : '@mulligan ') + scrub(JSON.stringify(answer)) + '\n'
  let bytes = Buffer.from(line)
  while (bytes.length) bytes = bytes.subarray(fs.writeSync(request.fd || stdoutFd, bytes))
}

function fail(err, migration) {
  const cause = err.driverError || err
  say({ error: { migration, message: err.message || String(err), code: cause.code && String(cause.code), query: err.query } })
  process.exit(1)
}

// connection turns a url into TypeORM's separate options, which mean the same in every driver and version.
function connection(text) {
  const url = new URL(text)
  if (/^(sqlite|file):$/.test(url.protocol)) return { database: decodeURIComponent(url.pathname) }
  const password = decodeURIComponent(url.password)
  secrets.push(...new Set([password, url.password, JSON.stringify(password).slice(1, -1)].filter(Boolean)))
  const query = url.searchParams
  const options = {
    host: query.get('host') || decodeURIComponent(url.hostname) || undefined,
    port: Number(query.get('port') || url.port) || undefined,
    username: decodeURIComponent(url.username) || undefined,
    password: password || undefined,
    database: decodeURIComponent(url.pathname.slice(1)),
    socketPath: query.get('socket') || query.get('socketPath') || undefined,
  }
  const ssl = { disable: false, require: { rejectUnauthorized: false }, 'verify-ca': true, 'verify-full': true }[query.get('sslmode')]
  return ssl === undefined ? options : { ...options, ssl }
}

// redirect makes the application's own DataSource, the one its migrations may import, connect to url and nowhere
// else, and takes out everything that it would do by itself once connected.
function redirect(dataSource, url) {
  const options = dataSource.options
  const wanted = connection(url)
  for (const key of ['url', 'replication', 'socketPath', 'connectString']) delete options[key]
  if (options.extra) {
    options.extra = { ...options.extra }
    for (const key of ['host', 'port', 'user', 'password', 'database', 'uri', 'connectionString', 'socketPath']) delete options.extra[key]
  }
  dataSource.driver.isReplicated = false
  dataSource.setOptions({ ...wanted, subscribers: [], synchronize: false, dropSchema: false, migrationsRun: false })
  return wanted.database
}

async function prove(dataSource, queryRunner, wanted) {
  const sql = {
    postgres: 'SELECT current_database() AS name', cockroachdb: 'SELECT current_database() AS name',
    mysql: 'SELECT DATABASE() AS name', mariadb: 'SELECT DATABASE() AS name', 'aurora-mysql': 'SELECT DATABASE() AS name',
  }[dataSource.options.type] || "SELECT file AS name FROM pragma_database_list WHERE name = 'main'"
  const [row] = await queryRunner.query(sql)
  const same = row && (row.name === wanted || (sql.includes('pragma') && fs.realpathSync(row.name) === fs.realpathSync(wanted)))
  if (!same) throw new Error(`connected to database ${row && row.name}, not to ${wanted}: nothing was run`)
}

async function load(file, typeorm) {
  const isDataSource = (v) => v && v['@instanceof'] === Symbol.for('DataSource')
  // A file that connects while it is loaded would reach the database of its own configuration.
  const initialize = typeorm.DataSource.prototype.initialize
  typeorm.DataSource.prototype.initialize = typeorm.DataSource.prototype.connect = () =>
    fail(new Error(`${request.dataSource} connects while it is loaded: export the DataSource without calling initialize()`))
  const module = await import(pathToFileURL(file).href)
  const exported = [module, module.default].filter(Boolean).flatMap((m) => (isDataSource(m) ? [m] : Object.values(m)))
  const found = new Set((await Promise.all(exported)).filter(isDataSource))
  typeorm.DataSource.prototype.initialize = initialize
  if (found.size !== 1) throw new Error(`${request.dataSource} exports ${found.size} DataSource objects, need exactly one`)
  return [...found][0]
}

function migrationsOf(typeorm, dataSource, queryRunner) {
  const executor = new typeorm.MigrationExecutor(dataSource, queryRunner)
  const get = executor.getMigrations || executor.getAllMigrations
  return [executor, get.call(executor)]
}

async function list(typeorm, dataSource) {
  const { type, migrationsTableName, schema, synchronize, dropSchema, migrationsRun, migrationsTransactionMode } = dataSource.options
  dataSource.setOptions({ entities: [], subscribers: [] }) // only the migrations are wanted, and no server
  await dataSource.buildMetadatas()
  const [, migrations] = migrationsOf(typeorm, dataSource, {})
  say({ source: { type, table: migrationsTableName || 'migrations', schema, synchronize: !!synchronize, dropSchema: !!dropSchema, migrationsRun: !!migrationsRun, transactionMode: migrationsTransactionMode || 'all' } })
  for (const m of migrations) say({ migration: { name: m.name, timestamp: m.timestamp, transaction: m.instance.transaction !== false } })
}

async function run(typeorm, dataSource, queryRunner) {
  const [executor, all] = migrationsOf(typeorm, dataSource, queryRunner)
  for (const name of [request.to, ...(request.only || [])].filter(Boolean)) {
    if (!all.some((m) => m.name === name)) throw new Error(`no migration ${name} in ${request.dataSource}`)
  }
  const recorded = new Set((await executor.getExecutedMigrations()).map((m) => m.name))
  const end = request.to ? all.findIndex((m) => m.name === request.to) + 1 : all.length
  const pending = all.slice(0, end).filter((m) => !recorded.has(m.name) && (!request.only || request.only.includes(m.name)))
  for (const m of pending) {
    say({ start: { name: m.name } })
    const started = Date.now()
    await runOne(executor, queryRunner, m).catch((err) => fail(err, m.name))
    say({ applied: { name: m.name, timestamp: m.timestamp, ms: Date.now() - started } })
  }
}

async function runOne(executor, queryRunner, migration) {
  const transaction = migration.instance.transaction !== false
  if (transaction && queryRunner.beforeMigration) await queryRunner.beforeMigration()
  if (transaction) await queryRunner.startTransaction()
  try {
    await executor.executeMigration(migration)
    if (queryRunner.isTransactionActive) await queryRunner.commitTransaction()
  } catch (err) {
    if (queryRunner.isTransactionActive) await queryRunner.rollbackTransaction().catch(() => {})
    throw err
  }
}

async function main() {
  const file = path.resolve(request.dataSource)
  const find = (name) => require.resolve(name, { paths: [path.dirname(file), process.cwd()] })
  for (const name of request.require || []) require(find(name))
  try { require(find('reflect-metadata')) } catch (err) { if (err.code !== 'MODULE_NOT_FOUND') throw err }
  const typeorm = require(find('typeorm'))
  const dataSource = await load(file, typeorm)
  const { version } = JSON.parse(fs.readFileSync(path.join(path.dirname(find('typeorm')), 'package.json'), 'utf8')) // 1.x exports no package.json
  say({ hello: { typeorm: version, node: process.versions.node } })
  if (request.verb === 'list') await list(typeorm, dataSource)
  else {
    const wanted = redirect(dataSource, request.url)
    if (request.verb === 'expects') dataSource.setOptions({ installExtensions: false })
    await dataSource.initialize()
    const queryRunner = dataSource.createQueryRunner()
    await prove(dataSource, queryRunner, wanted)
    if (request.verb === 'run') await run(typeorm, dataSource, queryRunner)
    else for (const q of (await dataSource.driver.createSchemaBuilder().log()).upQueries) say({ statement: { query: q.query, parameters: q.parameters } })
    await queryRunner.release()
    await dataSource.destroy()
  }
  say({ done: true })
  process.exit(0)
}

process.on('uncaughtException', (err) => fail(err))
process.on('unhandledRejection', (err) => fail(err instanceof Error ? err : new Error(String(err))))
main().catch((err) => fail(err))
