'use strict'
const { types } = require('../dialect')

class sessionStatus1682000000000 {
  async up(queryRunner) {
    await queryRunner.query("ALTER TABLE sessions ADD COLUMN status varchar(16) NOT NULL DEFAULT 'online'")
    await queryRunner.query(`ALTER TABLE sessions ADD COLUMN client_info ${types(queryRunner).json} NULL`)
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE sessions DROP COLUMN client_info')
    await queryRunner.query('ALTER TABLE sessions DROP COLUMN status')
  }
}

module.exports = { sessionStatus1682000000000 }
