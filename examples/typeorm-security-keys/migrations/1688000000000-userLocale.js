'use strict'

class userLocale1688000000000 {
  async up(queryRunner) {
    await queryRunner.query("ALTER TABLE users ADD COLUMN locale varchar(16) NOT NULL DEFAULT 'en'")
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE users DROP COLUMN locale')
  }
}

module.exports = { userLocale1688000000000 }
