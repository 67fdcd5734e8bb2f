'use strict'
const { types } = require('../dialect')

/** Sign-in with security keys. */
class webauthn1675045120206 {
  async up(queryRunner) {
    const { bool, no } = types(queryRunner)
    await queryRunner.query(
      `CREATE TABLE security_keys (id varchar(20) NOT NULL, user_id varchar(20) NOT NULL, key_id varchar(190) NOT NULL,
        public_key text NOT NULL, counter int NOT NULL DEFAULT 0, name varchar(64) NOT NULL, PRIMARY KEY (id))`,
    )
    await queryRunner.query(`ALTER TABLE users ADD COLUMN webauthn_enabled ${bool} NOT NULL DEFAULT ${no}`)
    await queryRunner.query(
      'ALTER TABLE security_keys ADD CONSTRAINT fk_security_keys_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE',
    )
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE security_keys DROP CONSTRAINT fk_security_keys_user')
    await queryRunner.query('ALTER TABLE users DROP COLUMN webauthn_enabled')
    await queryRunner.query('DROP TABLE security_keys')
  }
}

module.exports = { webauthn1675045120206 }
