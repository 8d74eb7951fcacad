from tests.web.admin.test_attacks import *
def test_a(admin_app, client, ground, database):
    for rule in all_rules(admin_app, "GET"):
        path = ground.address(admin_app, rule); b=events(database)
        for p in (path, path+"?action=delete&decision=accept&confirmed=1&remove=1&do=apply&access=off"):
            r=client.get(p)
            if events(database)!=b: print("NOTED", p, r.status_code)
            b=events(database)
        client.client.head(path)
        if events(database)!=b: print("NOTED HEAD", path)
    r=client.client.post("/admin/account", headers={"Content-Length":"9000000","Content-Type":"application/x-www-form-urlencoded"}, input_stream=io.BytesIO(b""))
    print("LARGE", r.status_code)
    r=client.client.post("/admin/account", data=b"x"*9000000, content_type="application/x-www-form-urlencoded")
    print("LARGE", r.status_code)
    r=client.client.post("/admin/account", data={"csrf_token": client.csrf, "f": (io.BytesIO(b"x"*9000000), "f.csv")})
    print("LARGE multi", r.status_code)
    r=client.client.post("/admin/account", data={"csrf_token": client.csrf, **{f"a{n}": "x" for n in range(6000)}})
    print("MANY", r.status_code)
@pytest.mark.parametrize("kind", ["editor of another organization", "coordinator of another part"])
def test_b(kind, admin_app, foreign, signed_in, database):
    client = intruder(kind, foreign, signed_in)
    for rule in all_rules(admin_app, "POST"):
        if rule.arguments & OWN_ENTRY or rule.endpoint == "admin.sign_out":
            continue
        path = foreign.address(admin_app, rule)
        for data in foreign_fields(foreign):
            answer = client.send(path, data)
            body = answer.get_data().decode("utf-8","replace")
            if MARK in body: 
                i=body.index(MARK); print("TOLD",kind, path, data.get("action") or data.get("decision"), answer.status_code, " ".join(body[i-150:i+80].split()))
