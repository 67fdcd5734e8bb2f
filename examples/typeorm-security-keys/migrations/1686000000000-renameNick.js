'use strict'

/** A name property goes before the class's name in the ledger. */
class RenameNick {
  name = 'userNick1686000000000'

  async up(queryRunner) {
    await queryRunner.query('ALTER TABLE users RENAME COLUMN nickname TO nick')
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE users RENAME COLUMN nick TO nickname')
  }
}

module.exports = { RenameNick }
