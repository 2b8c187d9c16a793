import { serverOf } from "../service/door.ts";
import { errorsOf, serve } from "../service/serve.ts";
import { numberSetting, setting } from "../service/settings.ts";
import { openProvider } from "./provider.ts";

const SHARE = { min: 0, max: 1 };
const WAIT = { min: 0, max: 86_400_000 };

await serve("provider", async () => {
  const provider = openProvider({
    key: setting("PROVIDER_KEY"),
    callbackSecret: setting("CALLBACK_SECRET"),
    onError: errorsOf("provider"),
    habits: {
      seed: setting("SEED"),
      declined: numberSetting("DECLINED", 0.02, SHARE),
      slow: numberSetting("SLOW", 0.02, SHARE),
      slowMs: numberSetting("SLOW_MS", 1_000, WAIT),
      duplicated: numberSetting("DUPLICATED", 0.05, SHARE),
      late: numberSetting("LATE", 0, SHARE),
      lateMs: numberSetting("LATE_MS", 5_000, WAIT),
      answerMs: numberSetting("ANSWER_MS", 5, WAIT),
    },
  });
  await provider.app.ready();
  return { server: serverOf(provider.app, {}), port: numberSetting("PORT", 0, { max: 65_535 }), stop: () => provider.stop() };
});
