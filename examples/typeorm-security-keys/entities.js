'use strict'
const { EntitySchema } = require('typeorm')

/**
 * Returns the options of every entity as release 1.5 of the service has them, by name, for one kind of server.
 * The object is new on each call, so that break.js can turn it into what release 1.4 had.
 */
function definitions(type) {
  const postgres = type === 'postgres'
  const json = postgres ? 'jsonb' : 'json'
  const time = postgres ? { type: 'timestamp' } : { type: 'datetime', precision: 6 }
  const id = { type: 'varchar', length: 20, primary: true }
  const name = (length, more) => ({ type: 'varchar', length, ...more })
  const flag = { type: Boolean, default: false }
  const to = (target, column, onDelete, more) => ({
    type: 'many-to-one', target, joinColumn: { name: column }, nullable: true, onDelete, ...more,
  })
  const own = (target, column, onDelete) => to(target, column, onDelete, { nullable: false })

  return {
    Config: {
      tableName: 'config',
      columns: { name: { ...name(64), primary: true }, content: { type: json, nullable: true } },
    },
    User: {
      tableName: 'users',
      columns: {
        id,
        username: name(64),
        nick: name(128, { nullable: true }),
        email: name(190, { nullable: true }),
        settings: { type: json, nullable: true },
        avatar: { type: postgres ? 'bytea' : 'blob', nullable: true },
        created_at: { ...time },
        webauthn_enabled: { ...flag },
        locale: name(16, { default: 'en' }),
      },
      indices: [{ name: 'idx_users_email', columns: ['email'], unique: true }],
    },
    Guild: {
      tableName: 'guilds',
      columns: {
        id,
        name: name(100),
        features: { type: json, nullable: true },
      },
      // guilds and channels refer to each other: no order of the two tables satisfies both foreign keys.
      relations: { owner: own('User', 'owner_id'), system_channel: to('Channel', 'system_channel_id', 'SET NULL') },
    },
    Channel: {
      tableName: 'channels',
      columns: {
        id,
        name: name(100),
        topic: { type: 'text', nullable: true },
        position: { type: 'int', default: 0 },
      },
      relations: { guild: own('Guild', 'guild_id', 'CASCADE'), parent: to('Channel', 'parent_id', 'SET NULL') },
    },
    Message: {
      tableName: 'messages',
      columns: {
        id,
        content: { type: 'text', nullable: true },
        embeds: { type: json, nullable: true },
        created_at: { ...time },
        edited_at: { ...time, nullable: true },
        flags: { type: 'int', default: 0 },
      },
      relations: {
        channel: own('Channel', 'channel_id', 'CASCADE'),
        author: to('User', 'author_id', 'SET NULL'),
        reply_to: to('Message', 'reply_to_id', 'SET NULL'),
      },
      indices: [{ name: 'idx_messages_channel_time', columns: ['channel', 'created_at'] }],
    },
    Template: {
      tableName: 'templates',
      columns: {
        id: { type: 'int', primary: true, generated: 'increment' },
        code: name(32),
        usage_count: { type: 'int', default: 0 },
        body: { type: json },
      },
      relations: { source_guild: own('Guild', 'source_guild_id', 'CASCADE') },
    },
    Session: {
      tableName: 'sessions',
      columns: {
        id: name(36, { primary: true }),
        status: name(16, { default: 'online' }),
        client_info: { type: json, nullable: true },
        last_seen: { ...time },
      },
      relations: { user: own('User', 'user_id', 'CASCADE') },
    },
    SecurityKey: {
      tableName: 'security_keys',
      columns: {
        id,
        key_id: name(190),
        public_key: { type: 'text' },
        counter: { type: 'int', default: 0 },
        name: name(64),
      },
      relations: { user: own('User', 'user_id', 'CASCADE') },
    },
    AuditLog: {
      tableName: 'audit_logs',
      columns: {
        id: { type: 'int', primary: true, generated: 'increment' },
        action: name(40),
        created_at: { ...time },
      },
      relations: { guild: own('Guild', 'guild_id', 'CASCADE') },
    },
  }
}

const schemas = (all) => Object.entries(all).map(([name, options]) => new EntitySchema({ name, ...options }))

/** Returns the entities of this release. */
const entities = (type) => schemas(definitions(type))

module.exports = { definitions, schemas, entities }
