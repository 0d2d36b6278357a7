//! Names and ids as people type them: accents, other scripts, versions, the addresses of other tools.

use super::{ids, index_of};

const CORPUS: &str = "
strasse      | router   | Straße 7                | Der Router in der Hauptstraße     |               |
nguyen       | vm       | Máy chủ Nguyễn          |                                   |               |
oslo         | vm       | Blåbærsyltetøy          |                                   |               |
pay-cn       | service  | 支付数据库              | 订单和支付的主数据库              | owner=支付组  |
pay-jp       | service  | 決済サーバー            |                                   |               |
pay-kr       | service  | 결제 데이터베이스       |                                   |               |
kyiv         | vm       | Сервер Київ             |                                   |               |
tf-0         | vm       | aws_instance.web[0]     |                                   |               |
tf-10        | vm       | aws_instance.web[10]    |                                   |               |
tf-key       | vm       | module.net.aws_subnet.a[\"eu-1\"] |                          |               |
lib-1.2.3-rc1 | package | libfoo                  | version 1.2.3-rc1 of foo          | version=1.2.3-rc1 |
lib-1.2.3    | package  | libfoo                  | version 1.2.3 of foo              | version=1.2.3 |
lib-1.2.30   | package  | libfoo                  | version 1.2.30 of foo             | version=1.2.30 |
v2.0         | release  | v2.0                    |                                   |               |
web          | service  | shop                    | the web                           |               |
shop         | service  | web                     | the shop                          |               |
web-shop     | service  | web shop                | a web shop, a web shop, web       |               |
";

#[test]
fn what_people_type_is_found() {
    let table = [
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("strasse 7", "strasse"),
        ("hauptstrasse", "strasse"),
        ("nguyen", "nguyen"),
        ("Nguyễn", "nguyen"),
        ("may chu", "nguyen"),
        ("blabaersyltetoy", "oslo"),
        ("BLÅBÆRSYLTETØY", "oslo"),
        ("支付数据库", "pay-cn"),
        ("数据库", "pay-cn"),
        ("支付", "pay-cn"),
        ("据库支", ""),
        ("name:数据", "pay-cn"),
        ("数据*", "pay-cn"),
        ("tag.owner:支付组", "pay-cn"),
        ("サーバー", "pay-jp"),
        ("決済", "pay-jp"),
        ("결제", "pay-kr"),
        ("데이터*", "pay-kr"),
        ("київ", "kyiv"),
        ("aws_instance.web[0]", "tf-0"),
        ("aws_instance.web[10]", "tf-10"),
        ("\"aws_instance.web[0]\"", "tf-0"),
        ("web[0]", "tf-0"),
        ("aws_instance.web", "tf-0 tf-10"),
        ("module.net.aws_subnet.a", "tf-key"),
        ("1.2.3-rc1", "lib-1.2.3-rc1"),
        ("1.2.3", "lib-1.2.3 lib-1.2.3-rc1"),
        ("lib-1.2.3", "lib-1.2.3 lib-1.2.3-rc1"),
        ("1.2.30", "lib-1.2.30"),
        ("tag.version:1.2.3", "lib-1.2.3"),
        ("tag.version:1.2.*", "lib-1.2.3 lib-1.2.3-rc1 lib-1.2.30"),
        ("v2.0", "v2.0"),
        // The whole id, then the whole name, then what has the word most.
        ("web", "web shop web-shop tf-0 tf-10"),
        ("shop", "shop web web-shop"),
        ("web shop", "web-shop shop web"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let found = ids(&index, text);
        if found != expected {
            wrong.push(format!("{text}\n    expected {expected}\n    found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
