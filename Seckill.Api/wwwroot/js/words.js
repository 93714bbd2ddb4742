// Two languages. The buyer's choice is kept; else the browser's own language decides.
export const words = {
  en: {
    brand: 'Seckill', skip: 'To the sales', navigation: 'Main', sales: 'Sales', orders: 'My orders', logIn: 'Log in', switchBuyer: 'Change buyer', cancel: 'Cancel',
    buyer: n => `Buyer ${n}`, otherLanguage: '中文', lead: 'Every price below is good until the stock is gone.', salesTitle: 'Flash sales',
    demoLogin: 'A trial system: be any buyer you like.', buyerNumber: 'Buyer number', loginFailed: 'That did not work. Try again.', shopLogin: 'Log in at the shop first.',
    startsIn: t => `Starts in ${t}`, endsIn: t => `Ends in ${t}`, over: 'This sale is over', days: n => `${n}d`,
    left: (n, share) => `${n} left (${share} %)`, leftPlain: n => `${n} left`, none: 'None left', unknownStock: 'Stock is being counted', stockLabel: 'Share of stock left',
    limit: n => `At most ${n} a buyer`, was: 'was',
    buy: 'Buy now', buyMore: 'Buy one more', notStarted: 'Not started', queueing: 'In the queue…', got: 'Got it', soldOut: 'Sold out', limitReached: 'Limit reached', ended: 'Ended',
    paused: 'Paused', again: 'Try again', details: 'See the order',
    saidQueueing: 'Your click is in the queue. You can close this page: the answer waits for you.',
    saidSlow: 'Still in the queue. Nothing is lost; it only takes longer.',
    saidGot: (sn, amount) => `Got it: order ${sn}${amount ? `, ${amount}` : ''}.`, saidSoldOut: 'All units are taken at the moment. Units that come back are sold again.',
    saidLimit: 'You already have as many as one buyer may have.', saidEnded: 'This sale has ended.', saidPaused: 'The shop has paused this sale for a moment.',
    saidNotStarted: 'This sale has not started yet.', saidFailed: reason => `No order was made: ${reason}. Nothing was charged.`,
    saidBusy: 'The shop is very busy. Your place is not lost: try again.', saidAway: 'No connection. Your click is remembered and sent when the network is back.',
    saidWrong: reason => `That was not taken: ${reason}.`,
    push: 'live', poll: 'asking now and then', away: 'no connection',
    ordersTitle: 'My orders', noOrders: 'No orders yet.', more: 'Older orders', order: 'Order', status: 'Status', amount: 'Amount', when: 'When', what: 'What',
    SUCCESS: 'Got it', PENDING: 'In the queue', FAILED: 'Not made', backToOrders: 'Back to my orders', orderTitle: n => `Order ${n}`, quantity: 'Quantity', reason: 'Reason',
    payment: 'Payment', pending: 'open', paid: 'paid', closed: 'closed', trace: 'Trace', timeline: 'Its way', notFound: 'There is no such order of yours.', loadFailed: 'This could not be loaded. ',
    clicked: 'Clicked', reserved: 'Reserved', confirmed: 'Safe in the queue', picked_up: 'Picked up', committed: 'Committed', told: 'Told', notYet: 'not yet', notStored: 'not stored', logInFirst: 'Log in to see your orders.',
  },
  zh: {
    brand: '秒杀', skip: '跳到商品', navigation: '主导航', sales: '秒杀', orders: '我的订单', logIn: '登录', switchBuyer: '更换买家', cancel: '取消',
    buyer: n => `买家 ${n}`, otherLanguage: 'English', lead: '以下价格，售完即止。', salesTitle: '限时秒杀',
    demoLogin: '试用系统：可以用任意买家编号登录。', buyerNumber: '买家编号', loginFailed: '登录失败，请重试。', shopLogin: '请先在商城登录。',
    startsIn: t => `距开始 ${t}`, endsIn: t => `距结束 ${t}`, over: '活动已结束', days: n => `${n} 天`,
    left: (n, share) => `剩余 ${n} 件（${share}%）`, leftPlain: n => `剩余 ${n} 件`, none: '已无库存', unknownStock: '正在盘点库存', stockLabel: '剩余库存比例',
    limit: n => `每人限购 ${n} 件`, was: '原价',
    buy: '立即抢购', buyMore: '再买一件', notStarted: '尚未开始', queueing: '排队中…', got: '抢到了', soldOut: '已售罄', limitReached: '已达限购', ended: '已结束',
    paused: '已暂停', again: '再试一次', details: '查看订单',
    saidQueueing: '正在排队。可以关闭页面，结果会为您保留。',
    saidSlow: '仍在排队，不会丢失，只是稍慢一些。',
    saidGot: (sn, amount) => `抢到了：订单 ${sn}${amount ? `，${amount}` : ''}。`, saidSoldOut: '目前已全部售出；如有退回会再次开售。',
    saidLimit: '您已达到每人限购数量。', saidEnded: '活动已结束。', saidPaused: '商家暂停了本场活动，请稍候。',
    saidNotStarted: '活动尚未开始。', saidFailed: reason => `未能下单：${reason}。没有扣款。`,
    saidBusy: '人太多了。您的位置不会丢失，请再试一次。', saidAway: '网络已断开。您的点击已保存，恢复后自动提交。',
    saidWrong: reason => `未被受理：${reason}。`,
    push: '实时', poll: '轮询中', away: '无网络',
    ordersTitle: '我的订单', noOrders: '还没有订单。', more: '更早的订单', order: '订单', status: '状态', amount: '金额', when: '时间', what: '商品',
    SUCCESS: '已抢到', PENDING: '排队中', FAILED: '未成交', backToOrders: '返回我的订单', orderTitle: n => `订单 ${n}`, quantity: '数量', reason: '原因',
    payment: '支付', pending: '待支付', paid: '已支付', closed: '已关闭', trace: '链路', timeline: '经过', notFound: '没有找到您的这个订单。', loadFailed: '加载失败。',
    clicked: '点击', reserved: '锁定库存', confirmed: '进入队列', picked_up: '开始处理', committed: '写入数据库', told: '通知结果', notYet: '尚未', notStored: '无记录', logInFirst: '登录后可查看订单。',
  },
};

let language = localStorage.getItem('seckill.language') ?? (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en');

export const t = (key, ...values) => {
  const word = words[language][key];
  return typeof word === 'function' ? word(...values) : word ?? key;
};
export const locale = () => (language === 'zh' ? 'zh-CN' : 'en-GB');
export const money = amount => new Intl.NumberFormat(locale(), { style: 'currency', currency: 'CNY', currencyDisplay: 'narrowSymbol' }).format(amount);
export const number = count => new Intl.NumberFormat(locale()).format(count);
export const clockTime = ms => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'medium' }).format(ms);

/** Titles may carry both languages, "量子手机 / Quantum Phone": the page shows the buyer's. */
export const titleOf = text => {
  const parts = (text ?? '').split(' / ');
  return parts.length === 2 ? parts[language === 'zh' ? 0 : 1] : text;
};

export function switchLanguage() {
  language = language === 'zh' ? 'en' : 'zh';
  localStorage.setItem('seckill.language', language);
  applyWords();
}

/** Puts the language into everything that stands in the page itself. */
export function applyWords() {
  document.documentElement.lang = locale();
  document.title = t('brand');
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = t(element.dataset.word);
  for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', t(element.dataset.label));
  const button = document.getElementById('language');
  button.textContent = t('otherLanguage');
  button.lang = language === 'zh' ? 'en' : 'zh-CN';
}
