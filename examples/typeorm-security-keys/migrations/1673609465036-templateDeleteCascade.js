'use strict'
const { quote: q } = require('../dialect')

const KEY = 'FK_445d00eaaea0e60a017a5ed0c11'

/** Deleting a guild deletes the templates that were made from it. */
class templateDeleteCascade1673609465036 {
  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE templates DROP CONSTRAINT ${q(queryRunner, KEY)}`)
    await queryRunner.query(
      `ALTER TABLE templates ADD CONSTRAINT ${q(queryRunner, KEY)} FOREIGN KEY (source_guild_id) REFERENCES guilds (id) ON DELETE CASCADE ON UPDATE NO ACTION`,
    )
  }

  async down(queryRunner) {
    await queryRunner.query(`ALTER TABLE templates DROP CONSTRAINT ${q(queryRunner, KEY)}`)
    await queryRunner.query(
      `ALTER TABLE templates ADD CONSTRAINT ${q(queryRunner, KEY)} FOREIGN KEY (source_guild_id) REFERENCES guilds (id)`,
    )
  }
}

module.exports = { templateDeleteCascade1673609465036 }
