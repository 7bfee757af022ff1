//! Portal addresses: `portal.url` and `portal.hostHeader`.

use std::time::Duration;

use docspace_backup_operator::portal::Address;

use crate::{
    budget::{Budget, alone},
    mutate::fuzz,
};

const BUDGET: Budget = Budget {
    bytes: 1024 * 1024,
    time: Duration::from_millis(10),
};

#[test]
fn an_address_that_is_read_reads_the_same_again() {
    let _alone = alone();
    let valid = [
        "https://docs.example.com",
        "HTTP://Router.docspace.svc:8092/sub/ docs.example.com:80",
        "http://0x7f.1:8092 [fd12::1]:443",
        "https://[64:ff9b::169.254.169.254]/a%2fb/../c",
        "https://MÜNCHEN.example xn--mnchen-3ya.example",
    ];
    fuzz("addresses", &valid, |input| {
        let text = String::from_utf8_lossy(input);
        let (url, host) = match text.split_once(' ') {
            Some((url, host)) => (url, Some(host)),
            None => (&*text, None),
        };
        BUDGET.check(|| {
            let Ok(address) = Address::parse(url, host) else {
                return;
            };
            let again = Address::parse(address.url().as_str(), address.host_header());
            assert_eq!(again.as_ref(), Ok(&address));
            assert!(address.origin().starts_with("http") && !address.to_string().contains('\n'));
        });
    });
}
