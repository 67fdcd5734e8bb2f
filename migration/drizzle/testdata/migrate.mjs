// Runs a folder of migrations with Drizzle's own migrator, on the database of DATABASE_URL:
//   node migrate.mjs PACKAGE FOLDER
const [pkg, migrationsFolder] = process.argv.slice(2)
const url = process.env.DATABASE_URL

const drivers = {
  'node-postgres': async () => {
    const { default: pg } = await import('pg')
    const client = new pg.Client(url)
    await client.connect()
    return { client, end: () => client.end() }
  },
  mysql2: async () => {
    const mysql = await import('mysql2/promise')
    const client = await mysql.createConnection(url)
    return { client, end: () => client.end() }
  },
  libsql: async () => {
    const { createClient } = await import('@libsql/client')
    const client = createClient({ url })
    return { client, end: () => client.close() }
  },
}
const driver = url.startsWith('postgres') ? 'node-postgres' : url.startsWith('mysql') ? 'mysql2' : 'libsql'
const { drizzle } = await import(`${pkg}/${driver}`)
const { migrate } = await import(`${pkg}/${driver}/migrator`)
const { client, end } = await drivers[driver]()
try {
  await migrate(drizzle({ client }), { migrationsFolder })
} catch (e) {
  console.error(e)
  process.exitCode = 1
} finally {
  await end()
}
