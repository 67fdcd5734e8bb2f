'use strict'
const { parameter, types } = require('../dialect')

/**
 * The order of a guild's channels moves from a list in the guild into the channels. It reads the rows that are
 * there: run on empty tables and followed by a load of older rows, it would have lost every guild's order.
 */
class channelPosition1695000000000 {
  async up(queryRunner) {
    await queryRunner.query('ALTER TABLE channels ADD COLUMN position int NOT NULL DEFAULT 0')
    const [first, second] = [parameter(queryRunner, 1), parameter(queryRunner, 2)]
    for (const guild of await queryRunner.query('SELECT id, channel_order FROM guilds ORDER BY id')) {
      const order = typeof guild.channel_order === 'string' ? JSON.parse(guild.channel_order) : guild.channel_order || []
      for (const [position, id] of order.entries()) {
        await queryRunner.query(`UPDATE channels SET position = ${first} WHERE id = ${second}`, [position + 1, id])
      }
    }
    await queryRunner.query('ALTER TABLE guilds DROP COLUMN channel_order')
  }

  async down(queryRunner) {
    await queryRunner.query(`ALTER TABLE guilds ADD COLUMN channel_order ${types(queryRunner).json} NULL`)
    const [first, second] = [parameter(queryRunner, 1), parameter(queryRunner, 2)]
    for (const guild of await queryRunner.query('SELECT id FROM guilds ORDER BY id')) {
      const channels = await queryRunner.query(
        `SELECT id FROM channels WHERE guild_id = ${first} AND position > 0 ORDER BY position`, [guild.id],
      )
      const order = JSON.stringify(channels.map((c) => c.id))
      await queryRunner.query(`UPDATE guilds SET channel_order = ${first} WHERE id = ${second}`, [order, guild.id])
    }
    await queryRunner.query('ALTER TABLE channels DROP COLUMN position')
  }
}

module.exports = { channelPosition1695000000000 }
