'use strict'
const { types } = require('../dialect')

class guildFeatures1680500000000 {
  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE guilds ADD COLUMN features ${types(queryRunner).json} NULL`)
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE guilds DROP COLUMN features')
  }
}

module.exports = { guildFeatures1680500000000 }
