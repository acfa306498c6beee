import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { workbench, type Workbench } from '../support/workbench.ts'

let here: Workbench
let there: Workbench

beforeEach(async () => {
  here = await workbench()
  there = await workbench()
  here.conjur.setValue('apps/db-user', 'from here')
  there.conjur.setValue('apps/db-user', 'from there')
})

afterEach(async () => {
  await here[Symbol.asyncDispose]()
  await there[Symbol.asyncDispose]()
})

async function configFile(connection: Record<string, unknown> = {}): Promise<string> {
  const file = join(here.directory, 'agent.json')
  const config = {
    connections: {
      old: {
        applianceUrl: there.conjur.url,
        sslCertificate: there.conjur.ca,
        jwtTokenPath: there.environment['JWT_TOKEN_PATH'],
        ...connection,
      },
    },
    groups: {
      new: { secrets: [{ user: 'apps/db-user' }], format: 'json' },
      old: { secrets: [{ user: 'apps/db-user' }], format: 'json', connection: 'old' },
    },
  }
  await writeFile(file, JSON.stringify(config))
  return file
}

test('groups of two servers become one set, each with its own login', async () => {
  const agent = here.start(['init', '--config', await configFile()])

  expect((await agent.ended).code).toBe(0)
  expect(JSON.parse(await here.read('new.json'))).toEqual({ user: 'from here' })
  expect(JSON.parse(await here.read('old.json'))).toEqual({ user: 'from there' })
  expect(here.conjur.requests.get('authenticate')).toBe(1)
  expect(there.conjur.requests.get('authenticate')).toBe(1)
})

test('P4 what goes wrong at one server leaves the values of both', async () => {
  const file = await configFile()
  const agent = here.start(['sidecar', '--config', file], { CONJUR_SECRETS_REFRESH_INTERVAL: '1s' })
  await agent.line(({ code }) => code === 'PUBLISHED')

  there.conjur.faults.add({ kind: 'unavailable' })
  here.conjur.setValue('apps/db-user', 'new here')

  await vi.waitFor(
    async () => expect(JSON.parse(await here.read('new.json'))).toEqual({ user: 'new here' }),
    { timeout: 10_000 },
  )
  expect(JSON.parse(await here.read('old.json'))).toEqual({ user: 'from there' })
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
})

test('P6 problems of a connection are named by it', async () => {
  const file = await configFile({ applianceUrl: 'http://old.example', acount: 'x' })
  const agent = here.start(['init', '--config', file], { CONJUR_CONNECTION__NEW: 'odl' })

  expect((await agent.ended).code).toBe(3)
  const shown = agent.stderr().replaceAll(/ {2,}/g, ' | ')
  expect(shown).toContain(
    'config file | connections.old.applianceUrl | "http://old.example" is not https',
  )
  expect(shown).toContain('config file | connections.old.acount | unknown')
  expect(shown).toContain(
    'environment | CONJUR_CONNECTION__NEW | "odl" is no connection; there are: old',
  )
})
