import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testbed } from './kubernetes.ts'

/**
 * Starts the control plane that the tests share, and names it in KUBECONFIG; `CONTROL_PLANE` says
 * that it is ours to break. Where KUBECONFIG is set already, that cluster is used and left alone.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  const { env } = process
  if (env['KUBECONFIG'] !== undefined || env['TESTBED_BIN'] === undefined) return undefined
  if (env['E2E_TIER'] === 'cluster') return undefined
  const run = mkdtempSync(join(tmpdir(), 'conjur-agent-control-plane-'))
  env['TESTBED_PORT'] = String(await freePorts())
  const down = async (): Promise<void> => {
    await testbed('control-plane.sh', ['down'], run)
  }
  try {
    env['KUBECONFIG'] = env['CONTROL_PLANE'] = await testbed('control-plane.sh', ['up'], run)
  } catch (error) {
    await down()
    throw error
  }
  // The cluster of the other tier has ports of its own.
  delete env['TESTBED_PORT']
  return down
}

/** The first of three neighbouring ports that nobody listens on: API server, etcd, its peers. */
async function freePorts(): Promise<number> {
  for (let first = 16_443; first < 17_443; first += 10) {
    const free = await Promise.all([first, first + 1, first + 2].map(isFree))
    if (!free.includes(false)) return first
  }
  throw new Error('there are no three free ports from 16443 on')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  )
  server.listen(port, '127.0.0.1')
  const free = await listening
  server.close()
  return free
}
