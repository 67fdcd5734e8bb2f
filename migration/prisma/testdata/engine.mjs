// Runs Prisma's own schema engine, as its command line does, on the database of DATABASE_URL:
//   node engine.mjs deploy FOLDER | applied FOLDER NAME | rolled-back FOLDER NAME | status FOLDER
import { readFileSync, readdirSync, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import * as bg from '@prisma/schema-engine-wasm/schema_engine_bg'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'

const require = createRequire(import.meta.url)
const [verb, dir, name] = process.argv.slice(2)
const url = process.env.DATABASE_URL
const postgres = url.startsWith('postgres')

const file = path.join(path.dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')), 'schema_engine_bg.wasm')
const { instance } = await WebAssembly.instantiate(readFileSync(file), { './schema_engine_bg.js': bg })
bg.__wbg_set_wasm(instance.exports)
instance.exports.__wbindgen_start()

const migrationsList = {
  baseDir: dir,
  lockfile: { path: 'migration_lock.toml', content: `provider = "${postgres ? 'postgresql' : 'sqlite'}"\n` },
  shadowDbInitScript: '',
  migrationDirectories: readdirSync(dir, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name)
    .sort((a, b) => a.localeCompare(b)).map((name) => {
      const file = path.join(dir, name, 'migration.sql')
      const content = existsSync(file) ? { tag: 'ok', value: readFileSync(file, 'utf8') } : { tag: 'error', value: 'missing' }
      return { path: name, migrationFile: { path: 'migration.sql', content } }
    }),
}
const filters = { externalTables: [], externalEnums: [] }
const model = `datasource db {\n provider = "${postgres ? 'postgresql' : 'sqlite'}"\n}\n`
const adapter = postgres ? new PrismaPg({ connectionString: url }) : new PrismaLibSql({ url }, { timestampFormat: 'unixepoch-ms' })
if (postgres) {
  // The adapter cuts a script at each semicolon, in quotes too. The engine of the command line sends it whole.
  const connect = adapter.connect.bind(adapter)
  adapter.connect = async () => {
    const connected = await connect()
    connected.executeScript = async (script) => { await connected.underlyingDriver().query(script) }
    return connected
  }
}
const engine = await bg.SchemaEngine.new({ datamodels: [['schema.prisma', model]] }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter))
try {
  const answer = {
    deploy: () => engine.applyMigrations({ migrationsList, filters }),
    applied: () => engine.markMigrationApplied({ migrationName: name, migrationsList }),
    'rolled-back': () => engine.markMigrationRolledBack({ migrationName: name }),
    status: () => engine.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters }),
  }[verb]
  console.log(JSON.stringify(await answer()))
  process.exit(0)
} catch (e) {
  console.error(e)
  process.exit(1)
}
