'use strict'
const { dataSource } = require('./data-source')
const { isPostgres, quote, types } = require('./dialect')

/** Returns the statements that make release 1.0's tables. Every later change is a migration. */
function statements(queryRunner) {
  const t = types(queryRunner)
  const end = isPostgres(queryRunner) ? '' : ' ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci'
  return [
    `CREATE TABLE config (name varchar(64) NOT NULL, content ${t.json} NULL, PRIMARY KEY (name))${end}`,
    `CREATE TABLE users (id varchar(20) NOT NULL, username varchar(64) NOT NULL, nickname varchar(128) NULL,
      email varchar(190) NULL, settings ${t.json} NULL, avatar ${t.blob} NULL, created_at ${t.time} NOT NULL, PRIMARY KEY (id))${end}`,
    `CREATE TABLE guilds (id varchar(20) NOT NULL, name varchar(100) NOT NULL, channel_order ${t.json} NULL,
      owner_id varchar(20) NOT NULL, system_channel_id varchar(20) NULL, PRIMARY KEY (id))${end}`,
    `CREATE TABLE channels (id varchar(20) NOT NULL, name varchar(100) NOT NULL, topic text NULL,
      guild_id varchar(20) NOT NULL, parent_id varchar(20) NULL, PRIMARY KEY (id))${end}`,
    `CREATE TABLE messages (id varchar(20) NOT NULL, content text NULL, embeds ${t.json} NULL, created_at ${t.time} NOT NULL,
      channel_id varchar(20) NOT NULL, author_id varchar(20) NULL, reply_to_id varchar(20) NULL, PRIMARY KEY (id))${end}`,
    `CREATE TABLE templates (id ${t.id}, code varchar(32) NOT NULL, usage_count int NOT NULL DEFAULT 0, body ${t.json} NOT NULL,
      source_guild_id varchar(20) NOT NULL, PRIMARY KEY (id))${end}`,
    `CREATE TABLE sessions (id varchar(36) NOT NULL, last_seen ${t.time} NOT NULL, user_id varchar(20) NOT NULL, PRIMARY KEY (id))${end}`,
    ...foreignKeys.map(([table, name, column, parent, onDelete]) =>
      `ALTER TABLE ${table} ADD CONSTRAINT ${quote(queryRunner, name)} FOREIGN KEY (${column}) REFERENCES ${parent} (id)${onDelete ? ' ON DELETE ' + onDelete : ''}`),
    `INSERT INTO config (name, content) VALUES ('release', '"1.0"'), ('registration', '{"open": true}')`,
  ]
}

// The name with a hash is the one that TypeORM gives to this key; the migrations know it by that.
const foreignKeys = [
  ['guilds', 'fk_guilds_owner', 'owner_id', 'users'],
  ['guilds', 'fk_guilds_system_channel', 'system_channel_id', 'channels', 'SET NULL'],
  ['channels', 'fk_channels_guild', 'guild_id', 'guilds', 'CASCADE'],
  ['channels', 'fk_channels_parent', 'parent_id', 'channels', 'SET NULL'],
  ['messages', 'fk_messages_channel', 'channel_id', 'channels', 'CASCADE'],
  ['messages', 'fk_messages_author', 'author_id', 'users', 'SET NULL'],
  ['messages', 'fk_messages_reply_to', 'reply_to_id', 'messages', 'SET NULL'],
  ['templates', 'FK_445d00eaaea0e60a017a5ed0c11', 'source_guild_id', 'guilds'],
  ['sessions', 'fk_sessions_user', 'user_id', 'users', 'CASCADE'],
]

/** Makes the base tables in an empty database and says whether it did: a database that has them is left alone. */
async function bootstrap(queryRunner) {
  if (await queryRunner.hasTable('config')) return false
  for (const statement of statements(queryRunner)) await queryRunner.query(statement)
  return true
}

async function main() {
  await dataSource.initialize()
  const queryRunner = dataSource.createQueryRunner()
  console.log((await bootstrap(queryRunner)) ? 'base tables made' : 'base tables are there')
  await queryRunner.release()
  await dataSource.destroy()
}

module.exports = { bootstrap }
if (require.main === module) {
  main().catch((err) => {
    console.error(err.message)
    process.exit(1)
  })
}
