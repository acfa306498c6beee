import { mkdtempSync } from 'node:fs'
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
  env['KUBECONFIG'] = env['CONTROL_PLANE'] = await testbed('control-plane.sh', ['up'], run)
  return async () => {
    await testbed('control-plane.sh', ['down'], run)
  }
}
