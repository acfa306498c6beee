import type { FileOutcome } from './file-set.ts'
import type { Output, Published, Snapshot } from './output.ts'
import { decideGroup, type GroupDecision } from './group-decision.ts'
import { groupPaths, type SecretGroup } from './secret-group.ts'
import { volume, type VolumeOptions } from './volume.ts'

export interface SecretFilesOptions extends VolumeOptions {
  readonly groups: readonly SecretGroup[]
  readonly formatCompatibility: 'safe' | 'secrets-provider'
}

/**
 * All secret groups of a configuration as one set of files on one volume.
 *
 * A group that cannot be rendered stays as it is on the volume and carries its error; the others
 * are published. What concerns the whole volume is thrown, with the last set still in place.
 */
export function secretFiles(options: SecretFilesOptions): Output {
  const { groups, formatCompatibility } = options
  const place = volume(options)
  return {
    name: 'secret files',
    async publish(snapshot: Snapshot, signal: AbortSignal) {
      signal.throwIfAborted()
      const held = place.held(groups.flatMap(groupPaths))
      const decisions = groups.map((group) =>
        decideGroup(group, snapshot, { held, formatCompatibility }),
      )
      const outcomes = place.publish({
        files: new Map(decisions.flatMap(({ files }) => [...files])),
        keep: new Set(decisions.flatMap(({ keep }) => keep)),
        gone: new Set(decisions.flatMap(({ gone }) => gone)),
      })
      return report(groups, decisions, outcomes)
    },
  }
}

function report(
  groups: readonly SecretGroup[],
  decisions: readonly GroupDecision[],
  outcomes: ReadonlyMap<string, FileOutcome>,
): Published[] {
  const rest = new Map(outcomes)
  const published = groups.flatMap((group, index) =>
    groupPaths(group).map((path): Published => {
      const outcome = rest.get(path)
      rest.delete(path)
      const { error, notes } = decisions[index] ?? {}
      return {
        name: path,
        kind: group.format,
        values: decisions[index]?.values.get(path) ?? 0,
        ...(outcome ?? { state: 'missing' }),
        ...(error === undefined ? {} : { error }),
        ...(notes === undefined || notes.length === 0 ? {} : { notes }),
      }
    }),
  )
  for (const [name, outcome] of rest) published.push({ name, kind: 'file', values: 0, ...outcome })
  return published
}
