use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes: no panic, no busy loop, and the session comes up when the noise ends.
    #[test]
    fn noise_never_keeps_a_session_down(
        seeds in (any::<u64>(), any::<u64>()),
        noise in proptest::collection::vec((0_usize..2, 0_u64..40, any::<[u8; 24]>(), any::<bool>()), 0..60),
    ) {
        let mut pair = Pair::plain();
        pair.ends = [machine(pair.now, config(0), seeds.0), machine(pair.now, config(1), seeds.1)];
        for (end, wait, mut octets, named) in noise {
            pair.run(Duration::from_millis(wait));
            octets[0] = 0x20 | (octets[0] & 0x1f);
            octets[1] &= !0x05;
            octets[3] = 24;
            // Whoever is believed without a key can ask for silence for hours.
            octets[2] = 1;
            octets[12..24].fill(0);
            octets[14] = 1;
            octets[18] = 1;
            if named {
                octets[8..12].copy_from_slice(&pair.status(end).local_discriminator.get().to_be_bytes());
            }
            pair.deliver(end, &octets, 255);
        }
        pair.run(Duration::from_secs(5));
        prop_assert_eq!(pair.states(), [State::Up; 2]);
    }
}
