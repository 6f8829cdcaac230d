// The browser of the tests: one profile for each person, closed when done. Used by the scripts beside it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const args = JSON.parse(process.argv[2] ?? '{}');

/** Gives `body` a context with a fresh profile. */
export async function withProfile(body) {
  const profile = mkdtempSync(join(tmpdir(), 'actas-profile-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: process.env.CHROMIUM, headless: true, args: FLAGS });
  try {
    return await body(context);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Prints the answer of a script: one line of JSON. */
export function answer(value) {
  console.log(JSON.stringify(value));
}
