// Opens each of `urls` in a fresh profile and answers with what a person sees, and what the browser complained about.
import { answer, args, withProfile } from './browser.mjs';

const seen = await withProfile(async (context) => {
  const pages = [];
  for (const url of args.urls) {
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    const response = await page.goto(url);
    pages.push({ url: page.url(), status: response?.status() ?? null, title: await page.title(), text: await page.innerText('body'), complaints });
  }
  return pages;
});
answer(seen);
