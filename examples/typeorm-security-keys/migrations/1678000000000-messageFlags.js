'use strict'

class messageFlags1678000000000 {
  async up(queryRunner) {
    await queryRunner.query('ALTER TABLE messages ADD COLUMN flags int NOT NULL DEFAULT 0')
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE messages DROP COLUMN flags')
  }
}

module.exports = { messageFlags1678000000000 }
