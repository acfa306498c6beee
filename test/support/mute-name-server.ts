import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'

/** Whether this process may make mount namespaces of its own. */
export function canUnshare(): boolean {
  const can = spawnSync('unshare', ['-m', 'true'], { stdio: 'ignore' }).status === 0
  if (!can) process.stderr.write('skipped: only root may have a name server of its own\n')
  return can
}

/** A name server that hears questions and never answers. */
export interface MuteNameServer extends Disposable {
  /** A command under which a program asks this server alone. */
  readonly under: readonly string[]
  /** Resolves once somebody has asked. */
  readonly asked: Promise<unknown>
}

/** Needs {@link canUnshare}: the port is a privileged one, the resolver's file a mount. */
export async function muteNameServer(directory: string): Promise<MuteNameServer> {
  // An address for each test process: port 53 cannot be chosen.
  const address = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255}`
  const socket: Socket = createSocket('udp4')
  socket.bind(53, address)
  await once(socket, 'listening')
  const file = join(directory, 'resolv.conf')
  writeFileSync(file, `nameserver ${address}\noptions timeout:30 attempts:1\n`)
  return {
    under: ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file],
    asked: once(socket, 'message'),
    [Symbol.dispose]: () => void socket.close(),
  }
}
