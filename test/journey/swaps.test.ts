import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { logLines } from '../support/agent-process.ts'
import { workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

/** Publishes files as the kubelet does: a new directory, `..data` swapped to it, the old one gone. */
async function project(
  directory: string,
  generation: number,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const name = `..2026_${generation}`
  await mkdir(join(directory, name), { recursive: true })
  for (const [file, text] of Object.entries(files)) {
    await writeFile(join(directory, name, file), text)
    if (generation === 1) await symlink(join('..data', file), join(directory, file))
  }
  await symlink(name, join(directory, '..data_tmp'))
  await rename(join(directory, '..data_tmp'), join(directory, '..data'))
  await rm(join(directory, `..2026_${generation - 1}`), { recursive: true, force: true })
}

test('P10 each swap of the kubelet is seen: of the annotations, and of the platform token', async () => {
  bench = await workbench()
  const podinfo = join(bench.directory, 'podinfo')
  const tokens = join(bench.directory, 'tokens')
  const jwt = await readFile(bench.environment['JWT_TOKEN_PATH'] ?? '', 'utf8')
  const annotations = (file: string): Record<string, string> => ({
    annotations: `conjur.org/conjur-secrets.web="- apps/db-user"\nconjur.org/secret-file-path.web="${file}"\n`,
  })
  await project(podinfo, 1, annotations('web-1.yaml'))
  await project(tokens, 1, { token: jwt })
  const agent = bench.start(['sidecar'], {
    CONJUR_ANNOTATIONS_FILE: join(podinfo, 'annotations'),
    JWT_TOKEN_PATH: join(tokens, 'token'),
    CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
  })
  const written = (file: string): Promise<string> =>
    vi.waitFor(() => readFile(join(bench.secrets, file), 'utf8'), { timeout: 10_000 })
  await written('web-1.yaml')

  for (const generation of [2, 3, 4]) {
    await project(podinfo, generation, annotations(`web-${generation}.yaml`))
    await written(`web-${generation}.yaml`)
  }
  for (const generation of [2, 3, 4]) {
    bench.conjur.setValue('apps/db-user', `user-${generation}`)
    await project(tokens, generation, { token: jwt })
    await vi.waitFor(async () => expect(await written('web-4.yaml')).toContain(`-${generation}`), {
      timeout: 10_000,
    })
  }

  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
  expect(logLines(agent.stderr()).filter(({ level }) => level === 'error')).toEqual([])
})
