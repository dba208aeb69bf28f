// What the relying parties share. Each is started with the issuer in the environment; a line on
// standard output asks for a URL to be opened in a browser, and a line on standard input answers
// with the URL that the browser was sent to. A failed assertion ends the process with status 1.
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline/promises'

globalThis.crypto ??= webcrypto // Node.js 18

export const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, RESOURCE } = process.env

export async function openInBrowser(url) {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const callback = await lines.question(`${url}\n`)
  lines.close()
  return new URL(callback)
}
