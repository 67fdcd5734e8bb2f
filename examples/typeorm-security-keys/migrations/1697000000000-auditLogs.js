'use strict'
const { types } = require('../dialect')

/** The audit log begins with one entry for each guild there is. */
class auditLogs1697000000000 {
  async up(queryRunner) {
    const { id, time } = types(queryRunner)
    await queryRunner.query(
      `CREATE TABLE audit_logs (id ${id}, action varchar(40) NOT NULL, created_at ${time} NOT NULL,
        guild_id varchar(20) NOT NULL, PRIMARY KEY (id))`,
    )
    await queryRunner.query(
      'ALTER TABLE audit_logs ADD CONSTRAINT fk_audit_logs_guild FOREIGN KEY (guild_id) REFERENCES guilds (id) ON DELETE CASCADE',
    )
    await queryRunner.query(
      "INSERT INTO audit_logs (action, created_at, guild_id) SELECT 'log.opened', '2024-01-01 00:00:00', id FROM guilds ORDER BY id",
    )
  }

  async down(queryRunner) {
    await queryRunner.query('DROP TABLE audit_logs')
  }
}

module.exports = { auditLogs1697000000000 }
