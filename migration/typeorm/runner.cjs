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
process.stdout.write = process.stderr.write.bind(process.stderr)

const secrets = []
const scrub = (text) => text && secrets.reduce((t, s) => t.split(s).join('***'), String(text))

function say(answer) {
  let bytes = Buffer.from(`${request.fd ? '' : '@mulligan '}${JSON.stringify(answer)}\n`)
  while (bytes.length) bytes = bytes.subarray(fs.writeSync(request.fd || 1, bytes))
}

function fail(err, migration) {
  const { code } = err.driverError || err
  say({ error: { migration, message: scrub(err.message || err), code: code && String(code), query: scrub(err.query) } })
  process.exit(1)
}

// connection turns a url into TypeORM's separate options, which mean the same in every driver and version.
function connection(text) {
  const url = new URL(String(text).replace(/^(\w+:\/\/[^/]*@)\//, '$1localhost/')) // libpq allows no host before ?host=
  if (/^(sqlite|file):$/.test(url.protocol)) return { database: decodeURIComponent(url.pathname) }
  const password = decodeURIComponent(url.password)
  secrets.push(...[password, url.password].filter(Boolean))
  const query = url.searchParams
  const options = {
    host: query.get('host') || decodeURIComponent(url.hostname) || undefined, port: Number(query.get('port') || url.port) || undefined,
    username: decodeURIComponent(url.username) || undefined, password: password || undefined,
    database: decodeURIComponent(url.pathname.slice(1)), socketPath: query.get('socket') || query.get('socketPath') || undefined,
  }
  const ssl = { disable: false, require: { rejectUnauthorized: false }, 'verify-ca': true, 'verify-full': true }[query.get('sslmode')]
  return ssl === undefined ? options : { ...options, ssl }
}

// redirect makes the application's own DataSource, the one its migrations may import, connect to url and nowhere
// else, and takes out everything that it would do by itself once connected.
function redirect(dataSource, url) {
  const wanted = connection(url)
  const own = { subscribers: [], synchronize: false, dropSchema: false, migrationsRun: false }
  if (request.verb === 'expects') own.installExtensions = false // it looks, and makes nothing
  for (const options of [dataSource.options, dataSource.driver.options]) { // the MySQL driver keeps a copy
    for (const key of ['url', 'replication']) delete options[key]
    const extra = { ...options.extra }
    for (const key of ['host', 'port', 'user', 'password', 'database', 'uri', 'connectionString', 'socketPath']) delete extra[key]
    Object.assign(options, wanted, own, { extra })
  }
  // TypeORM puts the driver's database before every table name on MySQL; setOptions of 0.3.11 leaves the old one there.
  Object.assign(dataSource.driver, { isReplicated: false, database: wanted.database })
  return wanted.database
}

async function prove(dataSource, queryRunner, wanted) {
  const { type } = dataSource.options
  const sql = { postgres: 'SELECT current_database() AS name', mysql: 'SELECT DATABASE() AS name', mariadb: 'SELECT DATABASE() AS name' }[type]
  if (!sql && !/sqlite/.test(type)) throw new Error(`a DataSource of type ${type} is not supported`)
  const [row] = await queryRunner.query(sql || "SELECT file AS name FROM pragma_database_list WHERE name = 'main'")
  const real = (name) => (sql ? name : fs.realpathSync(name))
  if (!row || real(row.name) !== real(wanted)) throw new Error(`connected to database ${row && row.name}, not to ${wanted}: nothing was run`)
}

async function load(file, typeorm) {
  const isDataSource = (v) => v && v['@instanceof'] === Symbol.for('DataSource')
  // A file that connects while it is loaded would reach the database of its own configuration.
  const initialize = typeorm.DataSource.prototype.initialize
  typeorm.DataSource.prototype.initialize = () => fail(new Error(
    `${request.dataSource} connects while it is loaded: export the DataSource without calling initialize()`))
  const module = await import(pathToFileURL(file).href)
  const exported = [module, module.default].filter(Boolean).flatMap((m) => (isDataSource(m) ? [m] : Object.values(m)))
  const found = new Set((await Promise.all(exported)).filter(isDataSource))
  typeorm.DataSource.prototype.initialize = initialize
  if (found.size !== 1) throw new Error(`${request.dataSource} exports ${found.size} DataSource objects, need exactly one`)
  return [...found][0]
}

// Always with a query runner: 0.3.11 releases its own before it is used.
function migrationsOf(typeorm, dataSource, queryRunner) {
  const executor = new typeorm.MigrationExecutor(dataSource, queryRunner)
  return [executor, executor.getMigrations()]
}

async function list(typeorm, dataSource) {
  const o = dataSource.options
  say({ source: {
    type: o.type, table: o.migrationsTableName || 'migrations', schema: o.schema, transactionMode: o.migrationsTransactionMode || 'all',
    synchronize: !!o.synchronize, dropSchema: !!o.dropSchema, migrationsRun: !!o.migrationsRun,
  } })
  dataSource.setOptions({ entities: [], subscribers: [] }) // the migrations are all that is wanted, and no server
  await dataSource.buildMetadatas()
  const [, migrations] = migrationsOf(typeorm, dataSource, {})
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
  const answers = process.stdin[Symbol.asyncIterator]()
  for (const m of pending) {
    say({ start: { name: m.name } })
    const started = Date.now()
    await runOne(executor, queryRunner, m).catch((err) => fail(err, m.name))
    say({ applied: { name: m.name, timestamp: m.timestamp, ms: Date.now() - started } })
    if (request.steps && (await answers.next()).done) return // who asked looks at the database, and says whether to go on
  }
}

async function runOne(executor, queryRunner, migration) {
  const transaction = migration.instance.transaction !== false
  const up = migration.instance.up
  migration.instance.up = async (runner) => { // what it sends is told; the record that follows is TypeORM's own
    const send = runner.query
    runner.query = function (query, ...rest) {
      say({ statement: { query } })
      return send.call(this, query, ...rest)
    }
    try { return await up.call(migration.instance, runner) } finally { runner.query = send }
  }
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

async function connected(typeorm, dataSource) {
  const wanted = redirect(dataSource, request.url)
  await dataSource.initialize()
  const queryRunner = dataSource.createQueryRunner()
  await prove(dataSource, queryRunner, wanted)
  if (request.verb === 'run') return run(typeorm, dataSource, queryRunner)
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
  for (const { query, parameters } of upQueries) say({ statement: { query, parameters } })
}

async function main() {
  const file = path.resolve(request.dataSource)
  if (!fs.existsSync(file)) throw new Error(`data source ${file} does not exist`)
  const find = (name) => require.resolve(name, { paths: [path.dirname(file), process.cwd()] })
  for (const name of request.require || []) require(find(name))
  try { require(find('reflect-metadata')) } catch (err) { if (err.code !== 'MODULE_NOT_FOUND') throw err }
  const typeorm = require(find('typeorm'))
  const dataSource = await load(file, typeorm)
  const { version } = JSON.parse(fs.readFileSync(path.join(path.dirname(find('typeorm')), 'package.json'), 'utf8')) // 1.x exports no package.json
  say({ hello: { typeorm: version, node: process.versions.node } })
  if (!['list', 'run', 'expects'].includes(request.verb)) throw new Error(`no verb ${request.verb}`)
  await (request.verb === 'list' ? list : connected)(typeorm, dataSource)
  say({ done: true })
  process.exit(0) // connections that the application opened by itself would keep the process
}

process.on('uncaughtException', (err) => fail(err)) // and, in Node, unhandled rejections
main().catch((err) => fail(err))
