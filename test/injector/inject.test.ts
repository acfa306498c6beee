import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { AdmissionError, AgentError, ConfigError, UsageError } from '../../src/core/errors.ts'
import { inject } from '../../src/injector/inject.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { ENVIRONMENT, IMAGE, pod } from './pods.ts'

function run(flags: Record<string, string | boolean>, stdin = '') {
  return inject(
    {
      command: 'inject',
      flags: { image: IMAGE, ...flags },
      positionals: [],
      environment: ENVIRONMENT,
    },
    Readable.from([stdin]),
  )
}

async function failure(running: Promise<unknown>): Promise<AgentError> {
  const error = await running.catch((caught: unknown) => caught)
  if (!(error instanceof AgentError)) throw new Error('no AgentError')
  return error
}

test('the patched manifest goes to stdout, what was done to stderr', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'pod.json')
  await writeFile(file, JSON.stringify(pod()))
  const { stdout, stderr, code } = await run({ file, namespace: 'shop' })

  expect(stdout).toContain(IMAGE)
  expect(stderr).toBe('✓ Pod shop/web-: injected (sidecar)\n')
  expect(code).toBe(0)
})

test('a manifest may come from stdin', async () => {
  const { stdout } = await run({ file: '-' }, JSON.stringify(pod()))

  expect(stdout).toContain(IMAGE)
})

test('a manifest that is not injected is printed as it is', async () => {
  const text = '# nothing for us\nkind: Service\n'
  const { stdout, stderr } = await run({ file: '-' }, text)

  expect([stdout, stderr]).toEqual([text, ''])
})

test('P6: every refusal of every document is told, and nothing is printed', async () => {
  const bad = pod({ 'container-mode': 'x', 'secret-file-format.db': 'y' })
  const text = `${JSON.stringify(bad)}\n---\n{ no: [yaml\n`
  const error = await failure(run({ file: '-' }, text))

  expect(error).toBeInstanceOf(AdmissionError)
  expect(error.message).toBe('2 manifests of - cannot be injected as asked')
  expect(error.lines).toEqual([
    'document 2 is no YAML',
    'Pod default/web-: conjur.org/container-mode: "x" is unknown; write sidecar, init, both',
    'Pod default/web-: conjur.org/secret-file-format.db: "y" is not one of yaml, json, dotenv, bash, properties, plain, template',
  ])
})

test('a file that is not there is a configuration error', async () => {
  const error = await failure(run({ file: '/nowhere/pod.yaml' }))

  expect(error).toBeInstanceOf(ConfigError)
  expect(error.hint).toBe('ls -l /nowhere/pod.yaml')
})

test('without a manifest the hint shows how to name one', async () => {
  const error = await failure(run({}))

  expect(error).toBeInstanceOf(UsageError)
  expect(error.hint).toContain('conjur-agent inject -f FILE')
})
