// The login page of a hub.
import { more } from '../jupyter.mjs';

const { hub, password } = more;

/** Returns a function that logs a user in on a page. */
export const login = user => async page => {
  await page.goto(`${hub}hub/login`);
  await page.getByLabel('Username').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(each => !each.pathname.includes('/login'));
};
