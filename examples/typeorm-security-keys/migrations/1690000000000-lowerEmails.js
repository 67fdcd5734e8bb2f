'use strict'

/** Changes rows only: nothing in the schema shows whether it ran. */
class lowerEmails1690000000000 {
  async up(queryRunner) {
    await queryRunner.query('UPDATE users SET email = lower(email) WHERE email IS NOT NULL')
  }

  async down() {}
}

module.exports = { lowerEmails1690000000000 }
