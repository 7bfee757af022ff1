use super::*;

fn claimant(name: &str) -> Claimant {
    Claimant {
        key: Key::new("ns", name),
        uid: Some(format!("uid of {name}").into()),
        slot: None,
        dump: false,
    }
}

fn claim(owns: bool) -> Claim {
    Claim {
        owns,
        ..Claim::default()
    }
}

fn may_share(claims: &Claims, one: &Claimant) -> BTreeSet<Key> {
    claims.may_share(&one.key).cloned().collect()
}

/// An object for each name, each on its own slot, with the key id in its status.
fn filed<const N: usize>(objects: [(&str, Option<&str>); N]) -> (Claims, [Claimant; N]) {
    let mut claims = Claims::default();
    let claimants = objects.map(|(name, told)| {
        claims.file(claimant(name), told.map(Into::into), claim(told.is_some()));
        claimant(name)
    });
    (claims, claimants)
}

fn digest(claims: &Claims, key: &str) -> KeyDigest {
    claims.digest(&key.into())
}

fn shares(claims: &Claims, one: &Claimant) -> Vec<String> {
    claims
        .sharing(&one.key)
        .map(|key| key.name().to_owned())
        .collect()
}

/// The object waits for the other one, whose check then begins and ends.
fn waits(claims: &mut Claims, one: &Claimant, other: &Claimant) {
    claims.wait_for(&one.key, &other.key);
    let waited = claims.waiting(&other.key);
    assert_eq!(waited, BTreeSet::from([one.key.clone()]));
    claims.examined(other, &waited);
    assert!(may_share(claims, one).is_empty() && claims.waiting(&other.key).is_empty());
}

#[test]
fn the_same_portal_is_the_same_key_and_the_same_id() {
    let (mut claims, all) = filed([("a", None), ("b", None), ("c", None)]);
    for (one, (text, id)) in all.iter().zip([("sk-1", "id"), ("sk-1", "id"), ("sk-2", "id")]) {
        let digest = digest(&claims, text);
        claims.uses_key(one, digest);
        claims.recognize(one, id);
    }
    assert_eq!(shares(&claims, &all[0]), ["b"]);
    assert!(shares(&claims, &all[2]).is_empty(), "an id is public");
    claims.recognize(&all[1], "another");
    assert!(
        shares(&claims, &all[0]).is_empty(),
        "a copy of a portal knows the key by another id"
    );
}

#[test]
fn what_was_known_of_a_key_goes_with_it() {
    let (mut claims, [a, b]) = filed([("a", Some("id")), ("b", Some("id"))]);
    let [old, new] = ["sk-1", "sk-2"].map(|key| digest(&claims, key));
    for one in [&a, &b] {
        claims.uses_key(one, old);
        assert!(claims.accept(one) && !claims.accept(one));
        claims.examined(one, &BTreeSet::new());
    }
    assert_eq!(
        shares(&claims, &a),
        ["b"],
        "the status tells the id until the portal does"
    );
    assert_eq!(claims.uses_key(&b, new), BTreeSet::from([a.key.clone()]));
    assert!(shares(&claims, &a).is_empty() && !claims.is_accepted(&b.key));
    // The other's key may have been replaced as well.
    for (one, other) in [(&a, &b), (&b, &a)] {
        assert_eq!(may_share(&claims, one), BTreeSet::from([other.key.clone()]));
    }
    waits(&mut claims, &b, &a);
}

#[test]
fn a_look_that_began_before_somebody_waited_is_not_waited_for() {
    let (mut claims, [a, b]) = filed([("a", Some("id")), ("b", None)]);
    let waited = claims.waiting(&a.key);
    claims.wait_for(&b.key, &a.key);
    claims.examined(&a, &waited);
    assert_eq!(claims.waiting(&a.key), BTreeSet::from([b.key]));
}

#[test]
fn nobody_is_waited_for_whose_turn_comes_all_the_same() {
    let (mut claims, [a, b]) = filed([("a", Some("id")), ("b", None)]);
    claims.wait_for(&b.key, &a.key);
    claims.stop_waiting(&b.key);
    assert!(claims.waiting(&a.key).is_empty());
    claims.wait_for(&b.key, &a.key);
    claims.forget(&b.key);
    assert!(claims.waiting(&a.key).is_empty());
}

#[test]
fn whose_status_tells_the_same_id_is_looked_at_first() {
    let (mut claims, [a, b]) = filed([("a", Some("id")), ("b", None)]);
    let digest = digest(&claims, "sk-1");
    claims.uses_key(&b, digest);
    claims.recognize(&b, "id");
    assert_eq!(may_share(&claims, &b), BTreeSet::from([a.key.clone()]));
    waits(&mut claims, &b, &a);
}

#[test]
fn a_key_that_was_replaced_for_both_before_a_start_is_known_by_the_id_in_both_statuses() {
    let (mut claims, [owner]) = filed([("owner", Some("old"))]);
    let other = claimant("other");
    claims.file(other.clone(), Some("old".into()), claim(false));
    let new = digest(&claims, "sk-2");
    claims.uses_key(&other, new);
    claims.recognize(&other, "new");
    assert_eq!(may_share(&claims, &other), BTreeSet::from([owner.key.clone()]));
    assert!(
        may_share(&claims, &owner).is_empty(),
        "who owns nothing is not waited for"
    );
    waits(&mut claims, &other, &owner);
}

#[test]
fn an_object_that_is_made_anew_or_moved_begins_with_nothing_known() {
    let (mut claims, [a]) = filed([("a", Some("id"))]);
    let digest = digest(&claims, "sk-1");
    claims.uses_key(&a, digest);
    claims.accept(&a);
    claims.examined(&a, &BTreeSet::new());
    let anew = Claimant {
        uid: Some("another".into()),
        ..a.clone()
    };
    claims.file(anew.clone(), None, claim(false));
    // A check that began earlier ends now; it has learnt nothing about this key.
    claims.uses_key(&a, digest);
    claims.recognize(&a, "id");
    assert!(!claims.accept(&a));
    claims.examined(&a, &BTreeSet::new());
    assert!(!claims.is_accepted(&anew.key) && !claims.was_examined(&anew.key));
    assert!(claims.keyed.is_empty() && claims.unexamined.is_empty());
    claims.forget(&anew.key);
    assert!(claims.known.is_empty());
}
