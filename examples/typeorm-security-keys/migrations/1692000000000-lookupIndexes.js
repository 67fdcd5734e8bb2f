'use strict'
const { isPostgres } = require('../dialect')

class lookupIndexes1692000000000 {
  // PostgreSQL builds an index without blocking writers only outside a transaction.
  transaction = false

  async up(queryRunner) {
    const online = isPostgres(queryRunner) ? 'CONCURRENTLY' : ''
    await queryRunner.query(`CREATE UNIQUE INDEX ${online} idx_users_email ON users (email)`)
    await queryRunner.query(`CREATE INDEX ${online} idx_messages_channel_time ON messages (channel_id, created_at)`)
  }

  async down(queryRunner) {
    const table = (name) => (isPostgres(queryRunner) ? '' : ` ON ${name}`)
    if (!isPostgres(queryRunner)) await queryRunner.query('CREATE INDEX fk_messages_channel ON messages (channel_id)')
    await queryRunner.query(`DROP INDEX idx_messages_channel_time${table('messages')}`)
    await queryRunner.query(`DROP INDEX idx_users_email${table('users')}`)
  }
}

module.exports = { lookupIndexes1692000000000 }
