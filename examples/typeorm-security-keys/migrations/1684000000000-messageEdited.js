'use strict'
const { types } = require('../dialect')

/** The number in the file's name is not the one in the class's name; TypeORM goes by the class. */
class messageEdited1684000000001 {
  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE messages ADD COLUMN edited_at ${types(queryRunner).time} NULL`)
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE messages DROP COLUMN edited_at')
  }
}

module.exports = { messageEdited1684000000001 }
