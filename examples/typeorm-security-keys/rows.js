'use strict'
const { isPostgres, parameter } = require('./dialect')

const WORDS = ['hello', 'grüße', 'привет', '你好', 'مرحبا', '🔑', '👩‍🚀', 'ship it', "it's", '"quoted"', 'tab\there', 'back\\slash', 'line\nbreak', '𝔘𝔫𝔦', '%_']
const NAMES = ['Ada', 'Zoë', 'Łukasz', 'Мария', '花子', 'Óscar', '🦊 Fox', "O'Neil"]

/** A small generator of numbers that gives the same rows on every run and machine. */
function generator(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n) => Math.floor(next() * n)
  const pick = (list) => list[below(list.length)]
  const shuffle = (list) => {
    const copy = [...list]
    for (let i = copy.length - 1; i > 0; i--) {
      const j = below(i + 1)
      ;[copy[i], copy[j]] = [copy[j], copy[i]]
    }
    return copy
  }
  return { below, pick, shuffle, chance: (p) => next() < p }
}

const snowflake = (kind, n) => String(1000000000000000000n + BigInt(kind) * 10000000000n + BigInt(n) * 4194304n)
const moment = (seconds, micros) => {
  const base = new Date(Date.UTC(2023, 0, 1) + seconds * 1000).toISOString()
  return base.slice(0, 19).replace('T', ' ') + '.' + String(micros).padStart(6, '0')
}
const numbers = (n) => Array.from({ length: n }, (_, i) => i)

/** Returns the rows of every table in an order in which they can be inserted. */
function tables(random) {
  const { below, pick, shuffle, chance } = random
  const json = JSON.stringify
  const users = numbers(300).map((i) => ({
    id: snowflake(1, i), username: `user${i}`, nick: chance(0.3) ? null : `${pick(NAMES)} ${pick(WORDS)}`,
    email: chance(0.1) ? null : `user${i}@example.org`,
    settings: chance(0.2) ? null : json({ theme: pick(['dark', 'light']), note: pick(WORDS), limits: [below(9), null, 1.5] }),
    avatar: chance(0.5) ? null : Buffer.from(numbers(16).map(() => below(256))),
    created_at: moment(below(5e6), below(1e6)), webauthn_enabled: chance(0.3), locale: pick(['en', 'de', 'zh-TW']),
  }))
  const guilds = numbers(40).map((i) => ({
    id: snowflake(2, i), name: `${pick(WORDS)} guild ${i}`, owner_id: pick(users).id, system_channel_id: null,
    features: chance(0.3) ? null : json(shuffle(['COMMUNITY', 'NEWS', 'DISCOVERABLE']).slice(0, 2)), channel_order: null,
  }))
  const channels = guilds.flatMap((g, i) => numbers(10).map((j) => ({
    id: snowflake(3, i * 10 + j), name: `channel-${j}`, topic: chance(0.5) ? null : pick(WORDS), guild_id: g.id,
    parent_id: j > 5 ? snowflake(3, i * 10) : null,
  })))
  guilds.forEach((g, i) => {
    const own = channels.slice(i * 10, i * 10 + 10)
    g.channel_order = json(shuffle(own.map((c) => c.id)))
    g.later = { system_channel_id: own[below(5)].id }
  })
  const messages = numbers(4000).map((i) => ({
    id: snowflake(4, i), content: chance(0.05) ? null : chance(0.02) ? '' : `${pick(WORDS)} ${pick(WORDS)} ${i}`,
    embeds: chance(0.8) ? null : json([{ title: pick(WORDS), color: below(0xffffff) }]),
    created_at: moment(5e6 + i * 60, below(1e6)), edited_at: chance(0.9) ? null : moment(6e6 + i * 60, below(1e6)),
    flags: chance(0.9) ? 0 : 4, channel_id: pick(channels).id, author_id: chance(0.03) ? null : pick(users).id,
    reply_to_id: i > 0 && chance(0.1) ? snowflake(4, below(i)) : null,
  }))
  const templates = numbers(30).map((i) => ({
    id: i * 3 + 7, code: `tpl${i}`, usage_count: below(50), body: json({ name: pick(WORDS), channels: below(5) }), source_guild_id: pick(guilds).id,
  }))
  const keys = users.filter((u) => u.webauthn_enabled).map((u, i) => ({
    id: snowflake(5, i), user_id: u.id, key_id: `key-${i}`, public_key: numbers(40).map(() => below(36).toString(36)).join(''), counter: below(1000), name: pick(NAMES),
  }))
  const sessions = numbers(200).map((i) => ({
    id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`, status: pick(['online', 'idle']), client_info: chance(0.5) ? null : json({ os: 'linux' }),
    last_seen: moment(9e6 + i, 0), user_id: pick(users).id,
  }))
  const config = [{ name: 'release', content: json('1.4') }, { name: 'registration', content: json({ open: false, motd: 'привет 🔑' }) }]
  return { config, users, guilds, channels, messages, templates, security_keys: keys, sessions }
}

async function insert(queryRunner, table, rows) {
  const columns = Object.keys(rows[0]).filter((c) => c !== 'later')
  for (let from = 0; from < rows.length; from += 500) {
    const parameters = []
    const values = rows.slice(from, from + 500).map((row) =>
      `(${columns.map((c) => parameter(queryRunner, parameters.push(row[c]))).join(', ')})`)
    await queryRunner.query(`INSERT INTO ${table} (${columns.join(', ')}) VALUES ${values.join(', ')}`, parameters)
  }
}

/** Fills the tables of release 1.4 and returns how many rows it wrote. */
async function fill(queryRunner) {
  const all = tables(generator(20230108))
  let count = 0
  await queryRunner.startTransaction()
  await queryRunner.query('DELETE FROM config')
  for (const [table, rows] of Object.entries(all)) {
    await insert(queryRunner, table, rows)
    count += rows.length
  }
  for (const guild of all.guilds) {
    const [first, second] = [parameter(queryRunner, 1), parameter(queryRunner, 2)]
    await queryRunner.query(`UPDATE guilds SET system_channel_id = ${first} WHERE id = ${second}`, [guild.later.system_channel_id, guild.id])
  }
  await queryRunner.commitTransaction()
  if (isPostgres(queryRunner)) await queryRunner.query("SELECT setval('templates_id_seq', 120)")
  else await queryRunner.query('ALTER TABLE templates AUTO_INCREMENT = 121')
  return count
}

module.exports = { fill }
