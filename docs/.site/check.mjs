// Looks at the built site in a real browser: front page, search, every link, both themes, a phone's width,
// and that nothing is asked of any other machine. Skipped by one line where there is no Chromium.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { after, before, test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const site = join(root, 'site')
/** Where screenshots go, if somebody wants to look: SITE_PICTURES=DIR npm run test:site */
const pictures = process.env.SITE_PICTURES
const chromium = [process.env.CHROMIUM, ...['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) => (process.env.PATH ?? '').split(':').map((folder) => join(folder, name)))].find((path) => path && existsSync(path))
if (chromium === undefined) {
  process.stderr.write('skipped: the site is not looked at, since there is no Chromium\n')
  process.exit(0)
}

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json', '.txt': 'text/plain; charset=utf-8' }
const pages = readdirSync(site, { recursive: true }).filter((name) => name.endsWith('.html') && name !== '404.html')
let server
let browser
let base = ''
/** What the browser asked for, of whomever, and what it complained of. */
const asked = new Set()
const complaints = []

before(async () => {
  server = createServer((request, response) => {
    const file = fileOf(new URL(request.url, 'http://site').pathname)
    if (file === undefined) return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' })
    response.end(readFileSync(file))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${server.address().port}`
  const { launch } = await import('puppeteer-core')
  browser = await launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
})

after(async () => {
  await browser?.close()
  server?.close()
})

function fileOf(path) {
  const name = decodeURIComponent(path)
  return [name, `${name}.html`, `${name}index.html`].map((each) => join(site, each)).find((file) => file.startsWith(site) && existsSync(file) && statSync(file).isFile())
}

async function open(path, { width = 1280, height = 900, scheme = 'light' } = {}) {
  const page = await browser.newPage()
  await page.setViewport({ width, height })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }])
  page.on('request', (request) => asked.add(new URL(request.url()).origin))
  page.on('pageerror', (error) => complaints.push(`${path}: ${error.message}`))
  page.on('requestfailed', (request) => complaints.push(`${path}: ${request.url()} failed`))
  page.on('response', (response) => response.status() >= 400 && complaints.push(`${path}: ${response.url()} ${response.status()}`))
  await page.goto(`${base}${path}`, { waitUntil: 'networkidle0' })
  return page
}

async function picture(page, name) {
  if (pictures === undefined) return
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: join(pictures, `${name}.png`) })
}

test('the front page shows what it is, the picture of the demo, and the ways on', async () => {
  const page = await open('/')

  assert.equal(await page.$eval('h1', (h1) => h1.textContent.replace(/\W+$/, '').trim()), 'conjur-agent')
  assert.equal(await page.$eval('img.only-light[src*="demo"]', (image) => image.complete && image.naturalWidth > 800), true)
  assert.equal(await page.$eval('img.only-dark[src*="demo"]', (image) => getComputedStyle(image).display), 'none')
  assert.ok((await page.$$('.VPSidebarItem a')).length > 30)
  await picture(page, 'front-light')
  await page.close()
})

for (const [query, wanted] of [
  ['CONJUR_UNAUTHENTICATED', '/errors.html#conjur_unauthenticated'],
  ['CSPFK043E', '/errors.html#config_invalid'],
  ['workload identity', '/workload-identity.html'],
]) {
  test(`the search finds ${query}`, async () => {
    const page = await open('/')
    await page.keyboard.down('Control')
    await page.keyboard.press('k')
    await page.keyboard.up('Control')
    await page.waitForSelector('#localsearch-input')
    await page.type('#localsearch-input', query)
    await page.waitForSelector('.VPLocalSearchBox .result')
    await picture(page, `search-${query.replaceAll(' ', '-')}`)
    const found = await page.$$eval('.VPLocalSearchBox a.result', (results) => results.map((result) => new URL(result.href).pathname + new URL(result.href).hash))

    assert.ok(found.slice(0, 5).some((each) => each.startsWith(wanted)), found.join(' '))
    await page.close()
  })
}

test('a result of the search leads to its place', async () => {
  const page = await open('/')
  await page.click('.VPNavBarSearch button')
  await page.waitForSelector('#localsearch-input')
  await page.type('#localsearch-input', 'CONJUR_UNAUTHENTICATED')
  await page.waitForSelector('.VPLocalSearchBox a.result[href*="errors"]')
  await page.click('.VPLocalSearchBox a.result[href*="errors"]')
  await page.waitForFunction(() => location.pathname.endsWith('/errors.html'))

  assert.match(await page.$eval('h1', (h1) => h1.textContent), /Errors/)
  await page.close()
})

test('every link of every page leads to a page, and to a heading of it', () => {
  const ids = new Map(pages.map((name) => [`/${name}`, new Set([...text(name).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]))
  const dead = []
  for (const name of pages) {
    for (const [, href] of text(name).matchAll(/<a [^>]*href="([^"]+)"/g)) {
      if (/^https?:/.test(href)) continue
      const to = new URL(href, `http://site/${name}`)
      const file = fileOf(to.pathname)
      if (file === undefined) dead.push(`${name}: ${href}`)
      else if (to.hash !== '' && file.endsWith('.html') && !ids.get(file.slice(site.length))?.has(decodeURIComponent(to.hash.slice(1)))) dead.push(`${name}: ${href}`)
    }
  }

  assert.deepEqual(dead, [])
})

test('both themes are readable, by the system and by the switch', async () => {
  for (const scheme of ['light', 'dark']) {
    const page = await open('/outages.html', { scheme })
    const { ink, paper } = await page.evaluate(() => {
      const light = (color) => Number(/\d+/.exec(color)?.[0])
      return { ink: light(getComputedStyle(document.querySelector('.vp-doc td')).color), paper: light(getComputedStyle(document.body).backgroundColor) }
    })
    assert.ok(scheme === 'dark' ? ink - paper > 120 : paper - ink > 120, `${scheme}: ${ink} on ${paper}`)
    await picture(page, `outages-${scheme}`)
    await page.click('.VPNavBarAppearance button')
    await page.waitForFunction((was) => document.documentElement.classList.contains('dark') !== was, {}, scheme === 'dark')
    await page.evaluate(() => localStorage.clear())
    await page.close()
  }
  const page = await open('/', { scheme: 'dark' })
  await picture(page, 'front-dark')
  await page.close()
})

test('no page is wider than a phone, and none lacks a picture', async () => {
  const wide = []
  const page = await open('/', { width: 390, height: 844 })
  for (const name of pages) {
    await page.goto(`${base}/${name}`, { waitUntil: 'load' })
    const by = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (by > 0) wide.push(`${name}: by ${by}`)
    const broken = await page.evaluate(() => [...document.images].filter((image) => image.naturalWidth === 0 && getComputedStyle(image).display !== 'none').map((image) => image.src))
    wide.push(...broken.map((image) => `${name}: ${image}`))
    if (['index.html', 'settings.html', 'outages.html'].includes(name)) await picture(page, `phone-${name.replace('.html', '')}`)
  }
  await page.close()

  assert.deepEqual(wide, [])
})

test('nothing was asked of any other machine, and nothing went wrong', () => {
  assert.deepEqual([...asked].filter((origin) => origin !== base && origin !== 'null'), [])
  assert.deepEqual(complaints, [])
})

function text(name) {
  return readFileSync(join(site, name), 'utf8')
}
