import { isLocalHost } from '../core/local-host.ts'
import { Unfit } from './setting.ts'

/** An OpenID issuer: https, kept byte for byte as it was typed. */
export function issuer(value: string): string | Unfit {
  if (!URL.canParse(value))
    return new Unfit('is no URL such as https://idp.example.com/realms/acme')
  const url = new URL(value)
  if (url.protocol !== 'https:') return new Unfit('is not https')
  if (url.username !== '' || url.search !== '' || url.hash !== '') {
    return new Unfit('holds a user name, query or fragment')
  }
  return value
}

/** `HOST[:PORT]` without a scheme, on this machine or its link. */
export function localHost(value: string): string | Unfit {
  const origin = `http://${value}`
  if (!URL.canParse(origin) || new URL(origin).host !== value.toLowerCase()) {
    return new Unfit('is no HOST or HOST:PORT')
  }
  return isLocalHost(new URL(origin).hostname)
    ? value
    : new Unfit('is neither a loopback nor a link-local host')
}

/** A region as Conjur can find it again in what was signed. */
export function awsRegion(value: string): string | Unfit {
  return /^[a-z]{2}(-gov)?-[a-z]+-\d$/.test(value)
    ? value
    : new Unfit(
        'is no region such as eu-west-1; partitions other than aws and aws-us-gov cannot work',
      )
}

/** A program, or a JSON list of a program and its arguments. */
export function commandLine(value: string): readonly [string, ...string[]] | Unfit {
  if (!value.startsWith('[')) {
    return value.startsWith('/')
      ? [value]
      : new Unfit('is neither an absolute path nor a JSON list such as ["/opt/plugin","--x"]')
  }
  let list: unknown
  try {
    list = JSON.parse(value)
  } catch {
    return new Unfit('begins with [ and is no JSON')
  }
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    return new Unfit('is no list of texts')
  }
  const [program, ...args] = list
  return program?.startsWith('/') === true
    ? [program, ...args]
    : new Unfit('does not begin with the absolute path of a program')
}
