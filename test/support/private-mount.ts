import { execFileSync, spawnSync } from 'node:child_process'

/** Whether this process may mount things in a namespace of its own, which root may. */
export function canMount(): boolean {
  const command = ['-m', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt']
  const can = spawnSync('unshare', command, { stdio: 'ignore' }).status === 0
  if (!can) process.stderr.write('skipped: only root may mount a volume of its own\n')
  return can
}

/** A command under which a program finds memory file systems of its own at these places; nobody else sees them. */
export function withMounts(mounts: Readonly<Record<string, string>>): readonly string[] {
  const lines = Object.entries(mounts).map(
    ([at, options]) => `mkdir -p '${at}' && mount -t tmpfs -o '${options}' none '${at}'`,
  )
  return ['unshare', '-m', 'sh', '-c', `${lines.join(' && ')} && exec "$0" "$@"`]
}

/** Runs a command where a process is, mounts included. */
export function inside(pid: number, command: readonly string[]): void {
  execFileSync('nsenter', ['-m', '-t', String(pid), ...command], { stdio: 'pipe' })
}

/** A path as the process with this number sees it. */
export function seenBy(pid: number, path: string): string {
  return `/proc/${pid}/root${path}`
}
