import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { testCa } from '../support/certificate.ts'
import { replaceByRename } from '../support/replace-by-rename.ts'
import { workbench, type Workbench } from '../support/workbench.ts'

const ROUNDS = scaled(6, 120)

let bench: Workbench

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

test(
  `P10 ${ROUNDS} rotations, a second apart, of value, platform token, config file, template and CA bundle all arrive in one process`,
  async () => {
    bench = await workbench({ tokenTtlSeconds: 6 })
    const took = stopwatch()
    const templates = join(bench.directory, 'templates')
    mkdirSync(templates)
    const files = {
      config: join(bench.directory, 'agent.json'),
      template: join(templates, 'page.tpl'),
      ca: join(bench.directory, 'ca.pem'),
    }
    const rotate = async (round: number): Promise<void> => {
      const { cert } = await testCa(`Another CA ${round}`)
      const groups = {
        page: { secrets: [{ p: 'apps/db-password' }], format: 'template', path: 'page' },
        app: { secrets: [{ [`alias-${round}`]: 'apps/db-password' }], format: 'json' },
      }
      bench.conjur.setValue('apps/db-password', `value-${round}`)
      await bench.projectToken({ jti: String(round) })
      replaceByRename(files.ca, `${cert}\n${bench.conjur.ca}`)
      replaceByRename(files.template, `template ${round}: {{ secret "p" }}\n`)
      replaceByRename(files.config, JSON.stringify({ groups }))
    }
    await rotate(0)
    const agent = bench.start(['sidecar'], {
      CONJUR_CONFIG_FILE: files.config,
      CONJUR_TEMPLATES_DIRECTORY: templates,
      CONJUR_SSL_CERTIFICATE: '',
      CONJUR_CERT_FILE: files.ca,
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')
    const tokens = new Set<string>()
    let late = 0

    for (let round = 1; round <= ROUNDS; round++) {
      await rotate(round)
      // It drives a clock of the outside world; what it awaits comes after.
      await pause(1000)
      const arrived = (): void => {
        const at = (name: string): string => readFileSync(join(bench.secrets, name), 'utf8')
        expect(at('page')).toBe(`template ${round}: value-${round}\n`)
        expect(JSON.parse(at('app.json'))).toEqual({ [`alias-${round}`]: `value-${round}` })
      }
      await vi.waitFor(arrived, { timeout: 20_000, interval: 50 }).catch(() => late++)
      tokens.add(readFileSync(bench.tokenFile, 'utf8'))
    }

    record('P10 rotations of a process', {
      tried: {
        'rounds, each with another value, platform token, config file, template and CA bundle':
          ROUNDS,
        'access tokens published': tokens.size,
      },
      lost: { 'rounds of which something had not arrived after 20 s': late },
      seconds: took(),
    })
    expect(late, agent.output()).toBe(0)
    expect(tokens.size).toBeGreaterThan(1)
  },
  60_000 + ROUNDS * 25_000,
)
