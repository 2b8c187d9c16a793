import type { Shop } from "./shop.ts";

/** What the databases hold: the only judge of what happened. */
export interface Books {
  readonly lampsFree: number;
  readonly lampsHeld: number;
  readonly orders: number;
  readonly unitsOrdered: number;
  /** Of the orders' outbox and of the stock's. */
  readonly messages: number;
  readonly cents: Readonly<Record<string, number>>;
  readonly centsHeld: number;
}

export async function readBooks({ databases }: Shop): Promise<Books> {
  const { rows: stock } = await databases.stock.query<{ free: number; held: number }>(
    `select (select sum(free) from item)::int as free, (select coalesce(sum(quantity), 0) from hold)::int as held`,
  );
  const { rows: sent } = await databases.stock.query<{ messages: number }>(`select count(*)::int as messages from tripact.outbox`);
  const { rows: orders } = await databases.orders.query<{ orders: number; units: number; messages: number }>(
    `select count(*)::int as orders, coalesce(sum(quantity), 0)::int as units,
            (select count(*) from tripact.outbox)::int as messages
     from orders`,
  );
  const { rows: wallets } = await databases.payment.query<{ buyer: string; cents: number; held: number }>(
    `select buyer, cents, held from wallet order by buyer`,
  );
  return {
    lampsFree: stock[0]?.free ?? Number.NaN,
    lampsHeld: stock[0]?.held ?? Number.NaN,
    orders: orders[0]?.orders ?? Number.NaN,
    unitsOrdered: orders[0]?.units ?? Number.NaN,
    messages: (orders[0]?.messages ?? Number.NaN) + (sent[0]?.messages ?? Number.NaN),
    cents: Object.fromEntries(wallets.map(({ buyer, cents }) => [buyer, cents])),
    centsHeld: wallets.reduce((sum, { held }) => sum + held, 0),
  };
}

/** The mails that were written, in the order of the alphabet: services do not agree on an order among each other. */
export async function readMails({ databases }: Shop): Promise<readonly string[]> {
  const { rows } = await databases.mailer.query<{ recipient: string; subject: string }>(`select recipient, subject from mail order by recipient, subject`);
  return rows.map(({ recipient, subject }) => `${recipient}: ${subject}`);
}
