/** Choreographies as they are often built. Each has a hole that note 27 names; the explorer has to find it. */
import { postgresInbox, type SqlExecutor } from "tripact/barrier";
import { Refused, type Delivered } from "tripact/choreography";
import { send } from "tripact/outbox";
import { chain, charge, initiatorOf, reserve, setupOf, type Order, type Setup } from "./purchase.ts";
import { note, type Service } from "./world.ts";

const inbox = postgresInbox();

interface Payload {
  readonly input: Order;
  readonly results: Readonly<Record<string, { hold: string }>>;
}

/** Each message once, and an undo only of what is there: all that an inbox can do. It does not know that a late action must not run. */
export function inboxAlone(): Setup {
  const initiator = initiatorOf(chain);
  const naive = (step: "reserve" | "charge", begins: string): Service["handle"] => async (db, { source, id, topic, key: gid, payload }) => {
    await inbox.once(db, { source, id, consumer: step }, async () => {
      const { input, results } = JSON.parse(payload as string) as Payload;
      const said = { gid, key: `${gid}/${step}`, input };
      if (topic === begins) {
        try {
          await db.execute("savepoint business", []);
          const result = step === "reserve" ? await reserve.action(db, said) : await charge.action(db, said);
          await send(db, { topic: `purchase.${step}.done`, key: gid, payload: { kind: "done", step, input, results: { ...results, [step]: result } } });
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          await db.execute("rollback to savepoint business", []);
          await send(db, { topic: `purchase.${step}.refused`, key: gid, payload: { kind: "refused", step, code: error.code } });
        }
      }
      if (topic !== `purchase.${step}.undo`) return;
      const { rows } = await db.execute("select from effect where gid = $1 and step = $2", [gid, step]);
      if (rows.length > 0) await note(db, gid, step, "undo");
      await send(db, { topic: `purchase.${step}.undone`, key: gid, payload: { kind: "undone", step } });
    });
  };
  return {
    starter: initiator,
    services: [
      { name: "orders", place: "orders", handle: initiator.handle, topics: initiator.topics },
      { name: "stock", place: "stock", handle: naive("reserve", "purchase.started"), topics: ["purchase.started", "purchase.reserve.undo"] },
      { name: "payment", place: "payment", handle: naive("charge", "purchase.reserve.done"), topics: ["purchase.reserve.done", "purchase.charge.undo"] },
    ],
  };
}

/** The watcher has a deadline of its own: past it, it has everything undone, whatever the initiator will decide. */
export function trackerThatActs(): Setup {
  const { starter, services } = setupOf(chain);
  const watch = async (db: SqlExecutor): Promise<{ reached: number; failed: [] }> => {
    const { rows } = await db.execute("select gid from tripact.choreography where state = 'forward' and deadline_at <= clock_timestamp()", []);
    for (const { gid } of rows) await undo(db, String(gid), "charge");
    return { reached: rows.length, failed: [] };
  };
  const undo = (db: SqlExecutor, gid: string, step: string) =>
    send(db, { topic: `purchase.${step}.undo`, key: gid, payload: { kind: "undo", step, input: { sku: "lamp" }, reason: { kind: "deadline" } } });
  // The initiator has asked for no undo, so it does not hear how one ended.
  const deaf = (service: Service): Service => ({ ...service, topics: service.topics.filter((topic) => !topic.endsWith(".undone")) });
  const watcher: Service = {
    name: "watcher",
    place: "orders",
    topics: ["purchase.charge.undone"],
    async handle(db, { key }) {
      const { rows } = await db.execute("select from tripact.outbox where key = $1 and topic = 'purchase.reserve.undo'", [key]);
      if (rows.length === 0) await undo(db, key, "reserve");
    },
  };
  return { starter: { ...starter, sweep: watch }, services: [...services.map((service) => (service.name === "orders" ? deaf(service) : service)), watcher] };
}

/** The last step knows that it is the last, and says itself that the purchase is made. */
export function twoDeciders(): Setup {
  const { starter, services } = setupOf(chain);
  const decides = (service: Service): Service => ({
    ...service,
    async handle(db: SqlExecutor, envelope: Delivered) {
      await service.handle(db, envelope);
      if (envelope.topic !== "purchase.reserve.done") return;
      const { rows } = await db.execute("select from tripact.barrier where gid = $1 and state = 'done'", [envelope.key]);
      const { rows: sent } = await db.execute("select from tripact.outbox where key = $1 and topic = 'purchase.committed'", [envelope.key]);
      if (rows.length === 0 || sent.length > 0) return;
      const { input, results } = JSON.parse(envelope.payload as string) as Payload;
      await send(db, { topic: "purchase.committed", key: envelope.key, payload: { kind: "committed", input, results } });
    },
  });
  return { starter, services: services.map((service) => (service.name === "payment" ? decides(service) : service)) };
}
