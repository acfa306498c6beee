import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { connect } from 'node:tls'
import { openPlace, type Place } from './place.ts'
import { MAIN } from './program.ts'
import type { Row } from './runner.ts'

const VALUES = [10, 100]
const REFRESHES = 10

/** What one agent moves over the wire: bytes of both directions, TLS and all, as a counting proxy before Conjur sees them. */
export async function traffic(): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const count of VALUES) {
    const place = await openPlace(count)
    try {
      const handshake = await ofHandshake(place)
      const first = await ofInit(place)
      const refresh = await ofRefresh(place)
      const unit = 'bytes'
      rows.push(
        { what: `${count} values: handshake, login and values`, measured: first, unit },
        { what: `${count} values: a refresh over the kept connection`, measured: refresh, unit },
        { what: 'a handshake', measured: handshake, unit },
        { what: 'so a login', measured: first - refresh - handshake, unit },
      )
    } finally {
      await place.close()
    }
  }
  return rows
}

async function ofHandshake(place: Place): Promise<number> {
  const { CONJUR_APPLIANCE_URL = '', CONJUR_CERT_FILE = '' } = place.fresh('one file')
  const before = place.bytes()
  const { hostname: host, port } = new URL(CONJUR_APPLIANCE_URL)
  const socket = connect({ host, port: Number(port), ca: readFileSync(CONJUR_CERT_FILE, 'utf8') })
  await once(socket, 'secureConnect')
  socket.end()
  await once(socket, 'close')
  return place.bytes() - before
}

async function ofInit(place: Place): Promise<number> {
  const before = place.bytes()
  const agent = spawn(process.execPath, [MAIN, 'init'], {
    env: place.fresh('one file'),
    stdio: 'ignore',
  })
  const [code] = await once(agent, 'exit')
  if (code !== 0) throw new Error(`init ended with ${code}`)
  return place.bytes() - before
}

async function ofRefresh(place: Place): Promise<number> {
  const agent = spawn(process.execPath, [MAIN, 'sidecar'], {
    env: { ...place.fresh('one file'), CONJUR_SECRETS_REFRESH_INTERVAL: '1h' },
    stdio: 'ignore',
  })
  try {
    while (((await place.requests())['batch'] ?? 0) < 2) await setTimeout(50)
    // What is still on its way when the server has counted is counted by then.
    await setTimeout(500)
    const before = place.bytes()
    for (let refresh = 1; refresh <= REFRESHES; refresh++) {
      const asked = (await place.requests())['batch'] ?? 0
      agent.kill('SIGHUP')
      while (((await place.requests())['batch'] ?? 0) === asked) await setTimeout(20)
      await setTimeout(100)
    }
    return Math.round((place.bytes() - before) / REFRESHES)
  } finally {
    agent.kill('SIGKILL')
    await once(agent, 'exit')
  }
}
