import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { pod } from '../injector/pods.ts'
import { testCa } from '../support/certificate.ts'
import { review, startInjector } from '../support/injector-process.ts'
import { EXECUTABLE } from '../support/program.ts'
import { canLoadSeccomp, UNDER_SECCOMP } from '../support/seccomp.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { workbench } from '../support/workbench.ts'

const under = UNDER_SECCOMP

describe.skipIf(!canLoadSeccomp())('under the profile of deploy/kubernetes/seccomp.json', () => {
  test('init publishes, and doctor finds nothing wrong', async () => {
    await using bench = await workbench()

    const init = await bench.start(['init'], {}, { under }).ended
    const doctor = bench.start(['doctor'], {}, { under })

    expect(init.code).toBe(0)
    expect(await bench.read('db.json')).toContain('"user":"web"')
    expect((await doctor.ended).code, doctor.output()).toBe(0)
  })

  test('a sidecar watches its files, serves its status, publishes anew, and P7: ends at once', async () => {
    await using bench = await workbench()
    const settings = { CONJUR_STATUS_LISTEN: '127.0.0.1:0' }
    const agent = bench.start(['sidecar'], settings, { under })
    await agent.line(({ code }) => code === 'PUBLISHED')

    bench.conjur.setValue('apps/db-user', 'other')
    agent.kill('SIGHUP')
    await vi.waitFor(async () => expect(await bench.read('db.json')).toContain('other'), 15_000)
    agent.kill('SIGTERM')

    expect(await agent.ended).toEqual({ code: 0, signal: null })
    expect(agent.stderr()).not.toMatch(/EPERM|WATCH_FAILED|STATUS_PORT/)
  })

  test('exec starts its program and gives its code', async () => {
    await using bench = await workbench()

    const agent = bench.start(['exec', '--', 'sh', '-c', 'echo $USER; exit 7'], {}, { under })

    expect((await agent.ended).code).toBe(7)
    expect(agent.output()).toContain('web\n')
  })

  test('an agent that hibernates becomes the shell that sleeps', async () => {
    await using bench = await workbench()
    const status = join(bench.directory, 'status')
    await mkdir(status)
    const settings = { CONJUR_IDLE: 'hibernate', CONJUR_STATUS_DIRECTORY: status }
    const agent = bench.start(['sidecar'], settings, { under })

    const command = () => readFileSync(`/proc/${agent.pid}/cmdline`, 'utf8')
    await vi.waitFor(() => expect(command()).toContain('/sh\0-c'), 15_000)
    agent.kill('SIGTERM')

    expect((await agent.ended).code).toBe(0)
  })

  test('the injector answers reviews', async () => {
    await using directory = await temporaryDirectory()
    const ca = await testCa()
    const injector = await startInjector(directory.path, await ca.issue(), { under })

    const { response } = await review(injector.port, ca.cert, pod())

    expect(response.patch).toBeTypeOf('string')
    expect((await injector.stop()).code).toBe(0)
  })

  test.each([
    ['another user namespace', ['unshare', '--user', 'true']],
    ['a mount', ['mount', '-t', 'tmpfs', 'none', '/mnt']],
    ['another root', ['chroot', '/', 'true']],
    ['a raw packet socket', ['/usr/bin/python3', '-c', 'import socket; socket.socket(17, 3)']],
    ['another owner', ['chown', '1', '/dev/null']],
  ])('the kernel refuses %s', (_what, command) => {
    const [python = '', ...words] = [...under, ...command]
    const { stderr, status } = spawnSync(python, words, { encoding: 'utf8' })

    expect(status).not.toBe(0)
    expect(stderr).toMatch(/not permitted|permission denied/i)
  })
})

/** What systemd forbids by `MemoryDenyWriteExecute`: memory to write and execute, and to execute later. */
const WRITTEN_OR_EXECUTED = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [
    ['mmap', 6],
    ['mprotect', 4],
    ['pkey_mprotect', 4],
  ].map(([name, bits]) => ({
    names: [name],
    action: 'SCMP_ACT_ERRNO',
    errnoRet: 1,
    args: [{ index: 2, value: bits, valueTwo: bits, op: 'SCMP_CMP_MASKED_EQ' }],
  })),
}

test.skipIf(EXECUTABLE === undefined || !canLoadSeccomp())(
  'the executable without compilers needs no memory that is both written and executed',
  async () => {
    await using bench = await workbench()
    const profile = join(bench.directory, 'profile.json')
    await writeFile(profile, JSON.stringify(WRITTEN_OR_EXECUTED))
    const held = [...under.slice(0, 2), profile]
    const agent = bench.start(['sidecar'], { BUN_JSC_useJIT: '0' }, { under: held })
    await agent.line(({ code }) => code === 'PUBLISHED')

    agent.kill('SIGTERM')

    expect(await agent.ended).toEqual({ code: 0, signal: null })
  },
)
