/** What of a process tells its engine; `process` is one. */
export interface EngineFacts {
  readonly execPath: string
  readonly argv: readonly string[]
  readonly versions: Readonly<Record<string, string | undefined>>
}

/** The engine under the program, in so far as the program has to know. */
export interface Runtime {
  /** With its version, such as `node-26.10.0`. */
  readonly name: string
  /** Whether engine and program are one file, which takes no flags of an engine and no script. */
  readonly isExecutable: boolean
  /** Whether a client for HTTPS is built into the engine that takes a CA, a certificate and no redirect. */
  readonly hasNativeSend: boolean
  /** Whether its server for HTTPS goes on with the certificate it started with. */
  readonly keepsCertificate: boolean
  /** Whether its hrtime is one for all processes of a boot, or begins with each. */
  readonly sharesHrtime: boolean
  /** The words that start this very program again; a command line follows them. */
  readonly program: readonly [string, ...string[]]
  /** The words of a process that does nothing but end with this code; undefined where `exit` is as good. */
  ending(code: number): readonly [string, ...string[]] | undefined
}

/**
 * Which engine this is. The program is published twice: as JavaScript for Node, and as one executable
 * file that Bun's compiler makes (docs/decisions/executable.md).
 */
export function runtimeOf({ execPath, argv, versions }: EngineFacts): Runtime {
  if (versions['bun'] !== undefined) {
    return {
      name: `bun-${versions['bun']}`,
      isExecutable: true,
      hasNativeSend: true,
      keepsCertificate: true,
      sharesHrtime: false,
      // argv[1] is a name inside the file, and no word of a command line.
      program: [execPath],
      // Bun's `exit` waits for no thread.
      ending: () => undefined,
    }
  }
  return {
    name: `node-${versions['node'] ?? 'unknown'}`,
    isExecutable: false,
    hasNativeSend: false,
    keepsCertificate: false,
    sharesHrtime: true,
    program: [execPath, argv[1] ?? ''],
    ending: (code) => [execPath, '-e', `process.exit(${code})`],
  }
}
